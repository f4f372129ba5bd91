import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import type { FastifyInstance } from 'fastify'
import { buildApi } from './api.ts'
import { connectClient, headlessOAuth, refresh, revoke } from './client.ts'
import { startProvider, users } from './provider.ts'
import { steps } from './steps.ts'
import { failure, heading, startTranscript, write } from './transcript.ts'

const { values } = parseArgs({
  options: { serve: { type: 'boolean', default: false }, port: { type: 'string', default: '3000' } }
})

try {
  await (values.serve ? serve(Number(values.port)) : show())
} catch (error) {
  const taken = (error as { code?: unknown }).code === 'EADDRINUSE'
    ? '. Take another: npm run demo -- --serve --port 3100'
    : ''
  failure((error instanceof Error ? error.message : String(error)) + taken)
  process.exitCode = 1
}

/** Plays a whole login on loopback, tells it, and ends. */
async function show () {
  const demo = await start(await freePort())
  try {
    heading('An MCP client logs in, knowing nothing but the URL of the server')
    write(`   MCP client   @modelcontextprotocol/sdk
   MCP server   Fastify with fastify-mcp-oauth   ${demo.url}
   provider     oidc-provider                    ${demo.issuer}
                knows one client, with one redirect URI, and lets nobody register\n`)

    const transcript = startTranscript(steps)
    const oauth = headlessOAuth({ user: 'alice', fetch: transcript.fetch })
    const client = await connectClient(demo.url, { fetch: transcript.fetch, oauth })
    await client.listTools()
    await client.callTool({ name: 'addNote', arguments: { text: 'Hello from MCP' } })
    await refresh(demo.origin, oauth, transcript.fetch)
    await client.callTool({ name: 'listNotes', arguments: {} })
    await revoke(demo.origin, oauth, transcript.fetch)
    await transcript.fetch(demo.url, {
      method: 'POST',
      headers: { authorization: `Bearer ${oauth.token?.access_token}` }
    })
    await client.close()
    transcript.finish()
    write(' Try it with a client of your own: npm run demo -- --serve\n')
  } finally {
    await demo.close()
  }
}

/** Keeps provider and API up for clients that people use. */
async function serve (port: number) {
  const demo = await start(port, port + 1)
  heading(`An MCP server at ${demo.url}`)
  write(`   Claude Code    claude mcp add --transport http notes ${demo.url}
                  then /mcp in a session, to log in
   MCP Inspector  npx @modelcontextprotocol/inspector
                  transport "Streamable HTTP", URL ${demo.url}
   mcp-remote     npx mcp-remote ${demo.url} --allow-http

   A browser opens. Allow the client, sign in as ${
    users.join(' or ')
  } (there are no passwords), and let the server read who you are.
   Ctrl+C ends it.\n`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, demo.close)
}

/** A provider that knows our callback, and the API in front of it. */
async function start (port: number, providerPort = 0) {
  const origin = `http://localhost:${port}`
  const registered = {
    clientId: 'notes-server',
    clientSecret: randomBytes(32).toString('base64url')
  }
  const provider = await startProvider({
    port: providerPort,
    registration: false,
    clients: [{
      client_id: registered.clientId,
      client_secret: registered.clientSecret,
      client_name: 'Notes',
      redirect_uris: [`${origin}/oauth/callback`],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code']
    }]
  })
  let app: FastifyInstance | undefined
  const close = async () => {
    await app?.close()
    await provider.close()
  }
  try {
    app = await buildApi({ issuer: provider.issuer, ...registered })
    if (values.serve) {
      app.addHook(
        'onResponse',
        async ({ headers, method, url }, { statusCode }) => {
          // The plugin checks its own routes once the app listens.
          if (headers['x-fastify-mcp-oauth-check']) return
          write(`   ${method} ${url.split('?')[0]} → ${statusCode}`)
        }
      )
    }
    await app.listen({ host: 'localhost', port })
  } catch (error) {
    await close()
    throw error
  }
  return { origin, url: `${origin}/mcp`, issuer: provider.issuer, close }
}

/** The provider must know our callback before we listen. */
async function freePort (): Promise<number> {
  const server = createServer().listen(0, 'localhost')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
