import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { freePort, startBroker } from '../support/broker.ts'
import { conformance } from '../support/conformance/suite.ts'
import { headlessLogin } from '../support/login.ts'

test('the conformance suite passes for the authorization server [PX RFC 8414 RFC 6749 RFC 9207]', async (t) => {
  const run = await conformance(t)
  if (run === null) return
  for (const prefix of ['', '/v1']) {
    const { issuer, mcpUrl } = await startBroker(t, { options: { prefix } })
    const port = await freePort()
    const redirectUri = `http://127.0.0.1:${port}/callback`
    const body = JSON.stringify({ redirect_uris: [redirectUri] })
    const registered = await fetch(`${issuer}/oauth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body
    })
    const { client_id: clientId } = await registered.json() as { client_id: string }
    const logins: Array<Promise<unknown>> = []
    const { passed, output } = await run([
      'authorization',
      '--url',
      issuer,
      '--client-id',
      clientId,
      '--resource',
      mcpUrl,
      '--port',
      String(port)
    ], {
      // The suite prints the authorization URL and waits for the redirect of the browser.
      line (line) {
        if (line.startsWith(`${issuer}/oauth/authorize?`)) {
          logins.push(headlessLogin(line, { stopAt: redirectUri }).then(({ url }) => fetch(url)))
        }
      }
    })
    await Promise.all(logins)
    assert.ok(passed, output)
    assert.equal(logins.length, 1, output)
  }
})

const logins = [
  'metadata-default',
  'metadata-var1',
  'metadata-var2',
  'metadata-var3',
  'pre-registration',
  'token-endpoint-auth-basic',
  'token-endpoint-auth-post',
  'token-endpoint-auth-none',
  'iss-supported',
  'iss-not-advertised',
  'iss-supported-missing',
  'iss-wrong-issuer',
  'iss-unexpected',
  'iss-normalized',
  'offline-access-scope',
  'offline-access-not-supported'
]

test('the conformance suite passes for the broker as a client of a provider [B-09 RFC 9207 RFC 7636]', async (t) => {
  const run = await conformance(t)
  if (run === null) return
  // The suite starts the client for each scenario: a bundle starts faster than the sources.
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const client = join(root, `.cache/conformance-client-${process.pid}.mjs`)
  t.after(() => rm(client, { force: true }))
  await build({
    entryPoints: [join(root, 'test/support/conformance/client.ts')],
    outfile: client,
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    ignoreAnnotations: true
  })
  const command = `"${process.execPath}" "${client}"`
  for (const scenario of logins) {
    const { passed, output } = await run([
      'client',
      '--command',
      command,
      '--scenario',
      `auth/${scenario}`
    ])
    assert.ok(passed, output)
    assert.match(output, /Passed: [1-9]/)
  }
})
