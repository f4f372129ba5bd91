import type { Runner } from '../child.ts'
import { runSdk2 } from './sdk-2-legacy.ts'

export const run: Runner = context => runSdk2(context, { versionNegotiation: { mode: 'auto' } })
