import type { TestContext } from 'node:test'
import Fastify from 'fastify'
import { mcpOAuth } from '../../lib/index.ts'
import type { Emulator } from '../providers/emulators/emulator.ts'
import { emulatedClient, presetOf } from '../providers/emulators/preset.ts'
import { secret } from '../support/credentials.ts'
import type { ListedClient } from './by-hand.ts'
import { createFetch } from './fetch.ts'
import { startNginx, type ReverseProxy } from '../support/nginx.ts'
import { freePort } from '../support/port.ts'

// Where can an MCP server be? The same app, deployed in four ways.

export const places = {
  root: 'at the root of its host',
  prefix: 'under a prefix',
  two: 'the second of two registrations in one app',
  nginx: 'behind nginx with TLS, which strips a path'
} as const

export type Place = keyof typeof places

export const placeNames = Object.keys(places) as Place[]

/** The prefixes of an app's registrations. Clients use the last one. */
const prefixes: Record<Place, string[]> = {
  root: [''],
  prefix: ['/v1'],
  two: ['', '/v2'],
  nginx: ['']
}

/** nginx with `docs/examples/nginx/path.conf`, and the port of the app behind it. */
export interface Proxy extends ReverseProxy {
  appPort: number
}

/** A running app. */
export interface Deployment {
  /** The MCP URL. */
  mcp: string
  /** Reaches the app as its clients do. */
  fetch: typeof fetch
  /** Warnings and errors of the app. */
  logs: string[]
  /** Ends the app, and starts it again with the same options. */
  restart(): Promise<void>
  close(): Promise<void>
}

/** Starts the app at a place, with the preset of the provider and clients that must be listed. */
export async function deploy (
  place: Place,
  emulator: Emulator,
  { proxy, clients }: { proxy: Proxy | null, clients: readonly ListedClient[] }
): Promise<Deployment> {
  const behind = place === 'nginx' ? proxy : null
  const port = behind?.appPort ?? await freePort()
  const publicUrl = behind ? `${behind.origin}/notes` : `http://localhost:${port}`
  const logs: string[] = []
  emulator.register({
    ...emulatedClient,
    redirectUris: prefixes[place].map(prefix => `${publicUrl}${prefix}/oauth/callback`)
  })
  const write = (line: string): void => {
    logs.push(line)
  }
  const start = async () => {
    const app = Fastify({ logger: { level: 'warn', stream: { write } } })
    for (const prefix of prefixes[place]) {
      await app.register(async scope => {
        await scope.register(mcpOAuth, {
          ...presetOf(emulator.facts),
          secret,
          setupProxies: true,
          publicUrl,
          requiredScopes: ['mcp:read'],
          scopes: ['mcp:write'],
          ...clients.length > 0 && { clients: [...clients] },
          mcp: { tools: true }
        })
        scope.get('/whoami', { schema: { operationId: 'whoami' } }, async () => 'somebody')
        scope.delete('/notes', {
          schema: { operationId: 'clearNotes' },
          config: { mcp: { scopes: ['mcp:write'] } }
        }, async () => 'cleared')
      }, { prefix })
    }
    await app.listen({ host: '127.0.0.1', port })
    return app
  }
  let app = await start()
  return {
    mcp: `${publicUrl}${prefixes[place].at(-1)}/mcp`,
    fetch: createFetch(url => behind && url.startsWith(behind.origin) ? behind.dispatcher : null),
    logs,
    async restart () {
      await app.close()
      app = await start()
    },
    close: () => app.close()
  }
}

/** Starts nginx for the place `nginx`. Null if it is not installed. */
export async function startProxy (t: TestContext): Promise<Proxy | null> {
  const appPort = await freePort()
  const proxy = await startNginx(t, 'path', appPort)
  return proxy && { ...proxy, appPort }
}
