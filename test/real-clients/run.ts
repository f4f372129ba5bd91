import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { steps, type ClientFacts } from '../clients/client.ts'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { openClient } from '../clients/driver.ts'
import { driverOptions, startServer } from '../clients/server.ts'
import { temporaryFolder } from '../support/daemon.ts'
import { packagesOf } from '../support/install.ts'
import type { Report } from './child.ts'
import { probes, startProxy, type RecordingProxy } from './proxy.ts'

// Runs a client behind the recording proxy.

/** Where the packages are: they are installed when the tests run. */
export const packages = packagesOf('real-clients')

/** A client is stopped after this time. */
const clientTimeoutMs = 120_000

interface Recording extends RecordingProxy {
  mcpUrl: string
  /** The id of a client that somebody registered, for those that cannot do so themselves. */
  clientId: string | undefined
}

/** A broker behind a new recording proxy. */
async function startRecording (
  t: TestContext,
  { registration, redirectUris }: ClientFacts,
  options: Partial<McpOAuthOptions> = {}
): Promise<Recording> {
  const proxy = await startProxy()
  const url = await startServer(t, {
    publicUrl: proxy.origin,
    prefix: '/v1',
    scopes: ['mcp:write', 'offline_access'],
    ...options
  })
  t.after(() => proxy.close())
  proxy.forwardTo(url)
  return Object.assign(proxy, {
    mcpUrl: `${proxy.origin}/v1/mcp`,
    clientId: registration === null ? await register(url, redirectUris) : undefined
  })
}

async function register (
  url: string,
  redirectUris: ClientFacts['redirectUris']
): Promise<string> {
  const uris = [redirectUris].flat().map(uri => uri.replace(':{port}', ''))
  const response = await fetch(new URL('/v1/oauth/register', url), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      redirect_uris: uris,
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: 'none'
    })
  })
  const { client_id: id } = await response.json() as { client_id: string }
  return id
}

/** Runs a real client: what it returned, and the requests it sent to a server with options. */
export async function runReal (
  t: TestContext,
  id: string,
  facts: ClientFacts,
  options?: Partial<McpOAuthOptions>
): Promise<{ report: Report, proxy: RecordingProxy }> {
  const proxy = await startRecording(t, facts, options)
  const node = join(packages, 'node_modules/node/bin/node')
  const folder = await temporaryFolder(t)
  const browser = join(folder, 'xdg-open')
  const script = join(import.meta.dirname, 'browse.ts')
  await writeFile(browser, `#!/bin/sh\nexec '${node}' '${script}' "$1"\n`, { mode: 0o755 })
  const child = fork(join(import.meta.dirname, 'child.ts'), [], {
    execPath: node,
    execArgv: ['--experimental-import-meta-resolve'],
    // Settings and keys of the developer stay out.
    env: {
      CLIENT: id,
      CLIENT_ID: proxy.clientId,
      MCP_URL: proxy.mcpUrl,
      PACKAGES: packages,
      FOLDER: folder,
      HOME: folder,
      BROWSER: browser,
      PATH: `${folder}:${process.env['PATH']}`
    },
    silent: true,
    // A client that waits for its callback does so for minutes.
    timeout: clientTimeoutMs
  })
  t.after(() => child.kill('SIGKILL'))
  let step = ''
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  let report: Report | undefined
  child.on('message', (message: { step?: string, report?: Report }) => {
    if (message.report) report = message.report
    if (message.step === undefined) return
    step = message.step
    proxy.enter(step)
    child.send({})
  })
  await once(child, 'close')
  if (report) return { report, proxy }
  const requests = proxy.requests.map(({ step, method, path, status }) =>
    `${step}: ${method} ${path} ${status}`
  )
  throw new Error(`${id} stopped at the step "${step}". ${output}\n${requests.join('\n')}`)
}

/** The requests that the driver sends with the facts of a client. */
export async function runFacts (
  t: TestContext,
  facts: ClientFacts,
  options?: Partial<McpOAuthOptions>
): Promise<RecordingProxy> {
  const proxy = await startRecording(t, facts, options)
  const { clientId } = proxy
  const driven = {
    ...driverOptions,
    ...clientId !== undefined && { configuration: { client: { id: clientId } } }
  }
  for (const probe of Object.keys(probes)) {
    proxy.enter(probe)
    await openClient(facts, proxy.mcpUrl, driven).run('register')
  }
  const client = openClient(facts, proxy.mcpUrl, driven)
  for (const step of steps.slice(0, steps.indexOf('refresh') + 1)) {
    proxy.enter(step)
    const { outcome, problem } = await client.run(step)
    if (outcome !== 'ok') throw new Error(`The driver, as ${facts.name}: ${step}: ${problem}`)
  }
  return proxy
}
