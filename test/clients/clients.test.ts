import assert from 'node:assert/strict'
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Client as Client2,
  IssuerMismatchError,
  StreamableHTTPClientTransport as Transport2,
  UnauthorizedError as Unauthorized2
} from '@modelcontextprotocol/client'
import { UnauthorizedError, refreshAuthorization } from '@modelcontextprotocol/sdk/client/auth.js'
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { freePort, startBroker } from '../support/broker.ts'
import { temporaryFolder } from '../support/daemon.ts'
import { matrix } from '../support/matrix.ts'
import {
  connectClient,
  headlessLogin,
  headlessOAuth,
  metadataOf,
  type HeadlessOAuth
} from '../support/login.ts'

const whoami = { name: 'whoami', arguments: {} }

matrix(
  'POST /oauth/token lets the SDK 1.x refresh a rejected access token [T-18 T-26]',
  async ({ startBroker }, t) => {
    const { mcpUrl } = await startBroker()
    const oauth = headlessOAuth()
    const client = await connectClient(mcpUrl, { oauth })
    t.after(() => client.close())
    const first = oauth.token
    assert.ok(first?.refresh_token)
    const login = oauth.login

    oauth.token = { ...first, access_token: `${first.access_token}x` }
    const { content } = await client.callTool(whoami)
    assert.match(JSON.stringify(content), /authorization/)
    assert.notEqual(oauth.token?.access_token, first.access_token)
    assert.ok(oauth.token?.refresh_token)
    assert.notEqual(oauth.token.refresh_token, first.refresh_token)
    assert.equal(oauth.login, login, 'no second login was necessary')
  }
)

matrix(
  'POST /oauth/revoke ends access tokens within a second, and refresh tokens at once [V-05 V-06]',
  async ({ startBroker }, t) => {
    const { mcpUrl, issuer } = await startBroker()
    const oauth = headlessOAuth()
    const client = await connectClient(mcpUrl, { oauth })
    t.after(() => client.close())
    const { token, client: registered } = oauth
    assert.ok(token?.refresh_token && registered)
    const metadata = await metadataOf(issuer)
    const body = new URLSearchParams({
      token: token.refresh_token,
      token_type_hint: 'refresh_token',
      client_id: registered.client_id
    })
    assert.equal(
      (await fetch(metadata.revocation_endpoint ?? '', { method: 'POST', body })).status,
      200
    )

    await assert.rejects(
      refreshAuthorization(issuer, {
        metadata,
        clientInformation: registered,
        refreshToken: token.refresh_token
      }),
      /grant/
    )
    const call = () =>
      fetch(mcpUrl, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token.access_token}`,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream'
        },
        body: '{}'
      })
    let { status } = await call()
    for (let attempt = 0; attempt < 50 && status !== 401; attempt++) {
      await sleep(100)
      status = (await call()).status
    }
    assert.equal(status, 401)

    const before = oauth.login
    oauth.invalidateCredentials = () => {
      oauth.token = undefined
    }
    await assert.rejects(client.callTool(whoami), UnauthorizedError)
    assert.notEqual(oauth.login, before, 'a new login is required')
  }
)

/**
 * Connects the client of the SDK 2.x, and passes it the authorization response after `tamper` has
 * changed it.
 */
async function connect2 (
  t: TestContext,
  url: string,
  { oauth = headlessOAuth(), tamper = () => {}, pin }: {
    oauth?: HeadlessOAuth
    tamper?: (result: URLSearchParams) => void
    pin?: string
  } = {}
): Promise<Client2> {
  const client = new Client2(
    { name: 'client', version: '1.0.0' },
    pin === undefined ? {} : { versionNegotiation: { mode: { pin } } }
  )
  t.after(() => client.close())
  const open = () => new Transport2(new URL(url), { authProvider: oauth })
  const first = open()
  await assert.rejects(client.connect(first), Unauthorized2)
  const result = new URLSearchParams(oauth.login?.url.searchParams)
  tamper(result)
  await first.finishAuth(result)
  await client.connect(open())
  return client
}

matrix(
  'the SDK 2.x logs in, stores our issuer, and refreshes [CD-10 M-05]',
  async ({ startBroker }, t) => {
    const { mcpUrl, issuer } = await startBroker()
    const oauth = headlessOAuth()
    const client = await connect2(t, mcpUrl, { oauth })
    assert.match(JSON.stringify(await client.callTool(whoami)), /authorization/)
    assert.equal((oauth.client as { issuer?: string }).issuer, issuer)
    assert.equal((oauth.token as { issuer?: string }).issuer, issuer)

    const first = oauth.token
    assert.ok(first)
    oauth.token = { ...first, access_token: `${first.access_token}x` }
    await client.callTool(whoami)
    assert.notEqual(oauth.token?.refresh_token, first.refresh_token)
  }
)

for (
  const [name, tamper] of Object.entries({
    'another iss': (result: URLSearchParams) => {
      result.set('iss', 'https://evil.example')
    },
    'no iss': (result: URLSearchParams) => {
      result.delete('iss')
    }
  })
) {
  matrix(
    `the SDK 2.x rejects a login with ${name} [M-05]`,
    async ({ startBroker }, t) => {
      const { mcpUrl } = await startBroker()
      const oauth = headlessOAuth()
      await assert.rejects(connect2(t, mcpUrl, { oauth, tamper }), IssuerMismatchError)
      assert.equal(oauth.token, undefined)
    }
  )
}

matrix(
  'a client of MCP 2026-07-28 logs in to a server of the SDK 2.x, which receives the caller [CD-10]',
  async ({ startBroker }, t) => {
    const handler = createMcpHandler(() => {
      const server = new McpServer({ name: 'test', version: '1.0.0' })
      server.registerTool(
        'whoami',
        { inputSchema: z.object({}) },
        async (_args, { http }) => ({
          content: [{ type: 'text', text: `${http?.authInfo?.['subject' as never]}` }]
        })
      )
      return server
    })
    const { mcpUrl } = await startBroker({ options: { mcp: { handler } } })
    const client = await connect2(t, mcpUrl, {
      oauth: headlessOAuth({ user: 'bob' }),
      pin: '2026-07-28'
    })
    assert.deepEqual((await client.callTool(whoami)).content, [{ type: 'text', text: 'bob' }])
  }
)

matrix(
  'a client with a metadata document sends its URL, and does not register [REG-01]',
  async ({ startBroker }) => {
    const { mcpUrl } = await startBroker()
    const clientMetadataUrl = 'https://client.example/metadata.json'
    const clientIds: string[] = []
    const oauth: HeadlessOAuth = {
      ...headlessOAuth({ clientMetadataUrl }),
      redirectToAuthorization: async (url) => {
        clientIds.push(url.searchParams.get('client_id') ?? '')
      }
    }
    const requested: string[] = []
    await assert.rejects(
      connectClient(mcpUrl, {
        oauth,
        fetch: async (input, init) => {
          requested.push(new URL(String(input)).pathname)
          return await fetch(input, init)
        }
      }),
      UnauthorizedError
    )
    assert.deepEqual(clientIds, [clientMetadataUrl])
    assert.ok(!requested.includes('/oauth/register'))
  }
)

/**
 * Starts mcp-remote with a script in place of a browser: it receives the URL that mcp-remote
 * prints.
 */
function startMcpRemote (
  t: TestContext,
  url: string,
  { port, folder, openUrl }: {
    port: number
    folder: string
    openUrl: (url: string) => Promise<unknown>
  }
): ChildProcessWithoutNullStreams {
  const script = createRequire(import.meta.url).resolve('mcp-remote/dist/proxy.js')
  const child = spawn(process.execPath, [script, url, String(port), '--allow-http'], {
    env: {
      ...process.env,
      BROWSER: process.platform === 'win32' ? '' : '/bin/true',
      MCP_REMOTE_CONFIG_DIR: folder
    }
  })
  t.after(async () => {
    const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null
    child.kill('SIGKILL')
    await exited
  })
  let log = ''
  let isOpened = false
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text
    const found = /authorize this client by visiting:\s+(\S+)\s/.exec(log)?.[1]
    if (found === undefined || isOpened) return
    isOpened = true
    openUrl(found).catch((error: unknown) => {
      child.kill('SIGKILL')
      t.diagnostic(String(error))
    })
  })
  return child
}

/** Exchanges messages with a server over its standard input and output, one line each. */
function stdio (
  child: ChildProcessWithoutNullStreams
): {
  notify: (message: object) => void
  request: (id: number, method: string, params: object) => Promise<string>
} {
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const notify = (message: object) => {
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  }
  return {
    notify,
    async request (id, method, params) {
      notify({ id, method, params })
      for (let line = await lines.next(); !line.done; line = await lines.next()) {
        if (JSON.parse(line.value).id === id) return line.value
      }
      throw new Error(`mcp-remote ended before its response to ${method}`)
    }
  }
}

test('mcp-remote logs in, calls a tool, and needs no login after a restart [CD-10]', async (t) => {
  const { mcpUrl } = await startBroker(t)
  const folder = await temporaryFolder(t)
  const port = await freePort()
  const stopAt = `http://localhost:${port}/`
  let logins = 0
  const openUrl = async (url: string) => {
    logins++
    const { url: callbackUrl } = await headlessLogin(url, { stopAt })
    assert.equal((await fetch(callbackUrl)).status, 200)
  }
  for (const start of ['first', 'second']) {
    const child = startMcpRemote(t, mcpUrl, { port, folder, openUrl })
    const { notify, request } = stdio(child)
    assert.match(
      await request(1, 'initialize', {
        protocolVersion: '2025-11-25',
        capabilities: {},
        clientInfo: { name: start, version: '1.0.0' }
      }),
      /serverInfo/
    )
    notify({ method: 'notifications/initialized' })
    assert.match(await request(2, 'tools/call', whoami), /authorization/)
    const exited = once(child, 'exit')
    child.kill()
    await exited
  }
  assert.equal(logins, 1)
})
