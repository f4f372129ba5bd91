import type { ClientFacts } from './client.ts'
import { sdk1 } from './sdk-1.ts'

/** All clients, by id. */
export const clients: Readonly<Record<string, ClientFacts>> = {
  'sdk-1': sdk1
}
