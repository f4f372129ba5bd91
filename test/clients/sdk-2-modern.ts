import type { ClientFacts } from './client.ts'
import { sdk2Legacy } from './sdk-2-legacy.ts'

/** The SDK 2.x with `versionNegotiation: { mode: 'auto' }`. */
export const sdk2Modern: ClientFacts = {
  ...sdk2Legacy,
  name: 'MCP TypeScript SDK 2.x, modern era',
  sources: [
    ...sdk2Legacy.sources,
    {
      shows: 'server/discover first, `initialize` if the server does not know it',
      at: 'npm @modelcontextprotocol/client 2.4.0: src/client/versionNegotiation.ts in its bundle',
      date: '2026-11-28',
      members: ['protocolVersions', 'beginsWith', 'opensStream']
    }
  ],
  protocolVersions: ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'],
  opensStream: false
}
