/** All emulated providers: one line each. */
import { github } from './github.ts'
import { google } from './google.ts'
import type { ProviderFacts } from './provider.ts'

export const providers: readonly ProviderFacts[] = [github, google]
