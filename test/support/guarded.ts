import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { buildApp, type AppSetup, type Cleanup, type RunningApp } from './app.ts'
import { startIssuer, type Issuer } from './issuer.ts'
import { json, raw as sendRaw, sendRequest, type Received } from './requests.ts'

/** A server with one tool, which returns its caller. */
export function whoami (): McpServer {
  const server = new McpServer({ name: 'test', version: '1.0.0' })
  server.registerTool(
    'whoami',
    {},
    async ({ authInfo }) => ({
      content: [{ type: 'text', text: JSON.stringify(authInfo ?? null) }]
    })
  )
  return server
}

export const whoamiCall = {
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'whoami', arguments: {} }
}

export interface GuardedApp extends RunningApp {
  issuer: Issuer
  /** A valid token for the MCP route, with these claims instead of its own. */
  token(claims?: Record<string, unknown>): Promise<string>
  /** Calls `whoami`. */
  call(token?: string, url?: string): Promise<Received>
}

/** An app whose MCP route accepts the tokens of an issuer. */
export async function startGuarded (
  t: Cleanup,
  options: McpOAuthOptions = {},
  setup: AppSetup = {}
): Promise<GuardedApp> {
  const issuer = await startIssuer()
  const running = await buildApp(t, {
    issuer: issuer.issuer,
    mcp: { server: whoami() },
    ...options
  }, { ...setup, closeLast: issuer })
  return {
    ...running,
    issuer,
    token: (claims) => issuer.mint({ aud: running.mcpUrl, ...claims }),
    call: (token, url = running.mcpUrl) =>
      sendRequest(
        url,
        json(whoamiCall, {
          accept: 'application/json, text/event-stream',
          ...(token !== undefined && { authorization: `Bearer ${token}` })
        })
      )
  }
}

/** The caller that the tool `whoami` returned. */
export async function callerIn (response: Received): Promise<Record<string, unknown>> {
  const { result } = await response.json() as { result: { content: Array<{ text: string }> } }
  return JSON.parse(result.content[0]?.text ?? '')
}

/** Sends lines unchanged and reads until the server ends the connection. */
export async function raw (
  origin: string,
  lines: readonly string[],
  body = ''
): Promise<string> {
  return await sendRaw(Number(new URL(origin).port), [...lines, '', body].join('\r\n'))
}
