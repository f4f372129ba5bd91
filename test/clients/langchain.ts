import type { ClientFacts } from './client.ts'
import { sdk1 } from './sdk-1.ts'
import { clientErrors } from './statuses.ts'

/** An application that uses the MCP adapters of LangChain. They use the SDK 1.x. */
export const langchain: ClientFacts = {
  ...sdk1,
  name: 'LangChain MCP adapters',
  version: '1.1.4',
  sources: [
    {
      shows: 'all requests of a login and a refresh',
      at: 'request of the installed version (test/real-clients/runners/langchain.ts)',
      date: '2026-11-29'
    },
    {
      shows: 'the way after errors: that of the SDK 1.x, its dependency',
      at: 'npm @langchain/mcp-adapters 1.1.4: package.json, dist/connection.js',
      date: '2026-11-29',
      members: ['on401', 'on403', 'stepUpScope', 'on404', 'on5xx']
    },
    {
      shows: 'HTTP+SSE after 4xx, and at which URLs',
      at: 'npm @langchain/mcp-adapters 1.1.4: dist/client.js (_initializeStreamableHTTPConnection)',
      date: '2026-11-29',
      members: ['oldTransport', 'quirks']
    }
  ],
  oldTransport: clientErrors,
  registration: { ...sdk1.registration as object, client_name: 'LangChain application' },
  quirks: [
    ...sdk1.quirks,
    'It tries HTTP+SSE at the MCP URL, and where that ends with /mcp, also with /sse there.'
  ]
}
