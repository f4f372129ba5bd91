import type { Runner } from '../child.ts'
import { runAiSdk } from './ai-sdk.ts'

export const run: Runner = context => runAiSdk(context, '@ai-sdk/mcp-1')
