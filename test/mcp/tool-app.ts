import type { TestContext } from 'node:test'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { mcpOAuth, type ToolOptions } from '../../lib/index.ts'

/** A line of the plugin's log. */
interface Line {
  level: number
  msg: string
  others?: Record<string, number>
}

/** An app with tools, and what the plugin logged. */
export interface ToolApp {
  app: FastifyInstance
  tools: any[]
  names: string[]
  lines: Line[]
  /** The line at a level, such as 40 for a warning, that a pattern fits. */
  line(level: number, pattern: RegExp): Line | undefined
}

interface Parts {
  options?: { auth: false } | { issuer: string }
  server?: FastifyServerOptions
  before?: (app: FastifyInstance) => unknown
}

/** Starts an app whose routes are added after the plugin, and lists its tools. */
export async function startTools (
  t: TestContext,
  routes: (app: FastifyInstance) => unknown,
  tools: true | ToolOptions = true,
  { options = { auth: false }, server = {}, before = () => {} }: Parts = {}
): Promise<ToolApp> {
  const lines: Line[] = []
  const write = (text: string) => {
    const line = JSON.parse(text)
    if (line.plugin === 'mcp-oauth') lines.push(line)
  }
  const app = Fastify({ logger: { level: 'debug', stream: { write } }, ...server })
  t.after(() => app.close())
  await before(app)
  await app.register(mcpOAuth, { ...options, mcp: { tools } })
  await routes(app)
  await app.ready()
  const listed = 'auth' in options
    ? (await app.inject({
      method: 'POST',
      url: '/mcp',
      payload: { jsonrpc: '2.0', id: 1, method: 'tools/list' },
      headers: { accept: 'application/json, text/event-stream' }
    })).json().result.tools
    : []
  return {
    app,
    tools: listed,
    names: listed.map(({ name }: { name: string }) => name),
    lines,
    line: (level, pattern) => lines.find(line => line.level === level && pattern.test(line.msg))
  }
}
