import type { ClientFacts } from './client.ts'
import { sdk2Modern } from './sdk-2-modern.ts'

/** An application that uses the OpenAI Agents SDK. It uses the SDK 2.x. */
export const openaiAgents: ClientFacts = {
  ...sdk2Modern,
  name: 'OpenAI Agents SDK',
  version: '0.20.0',
  sources: [
    {
      shows: 'all requests of a login and a refresh',
      at: 'request of the installed version (test/real-clients/runners/openai-agents.ts)',
      date: '2026-11-29'
    },
    {
      shows: 'the way after errors: that of the SDK 2.x, its dependency',
      at: 'npm @openai/agents-core 0.20.0: dist/shims/mcp-server/node.mjs',
      date: '2026-11-29',
      members: ['on401', 'on403', 'stepUpScope', 'on404', 'on5xx']
    }
  ],
  registration: { ...sdk2Modern.registration as object, client_name: 'OpenAI Agents application' }
}
