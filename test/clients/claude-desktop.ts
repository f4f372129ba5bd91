import type { ClientFacts } from './client.ts'
import { claudeAi } from './claude-ai.ts'

/** Claude Desktop, custom connectors: they are those of claude.ai, and its servers connect. */
export const claudeDesktop: ClientFacts = {
  ...claudeAi,
  name: 'Claude Desktop',
  sources: [
    {
      shows: 'the requests come from the servers of claude.ai here, too',
      at: 'https://github.com/anthropics/claude-ai-mcp/issues/1043, Browser and OS',
      date: '2026-09-15'
    },
    {
      shows: 'one infrastructure for claude.ai, Desktop, mobile and Cowork',
      at:
        'https://claude.com/docs/connectors/building/authentication, Supported authentication types',
      date: '2026-11-28'
    },
    ...claudeAi.sources.filter(({ members }) => members !== undefined)
  ]
}
