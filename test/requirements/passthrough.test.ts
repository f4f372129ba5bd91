import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { SignJWT } from 'jose'
import { buildApp } from '../support/app.ts'
import { renew, startFlow, providerClient } from '../support/flow.ts'
import { whoami, whoamiCall } from '../support/guarded.ts'
import { createKey } from '../support/issuer.ts'

test('POST /mcp of a resource server sends no token to the provider [RS-19 TP-01]', async (t) => {
  const key = await createKey('one')
  const requests: Array<{ method: string | undefined, headers: IncomingHttpHeaders, all: string }> =
    []
  const provider = createServer(async (request, response) => {
    const { method, url, headers, rawHeaders } = request
    requests.push({ method, headers, all: `${url} ${rawHeaders} ${await text(request)}` })
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify(
        request.url === '/jwks' ? { keys: [key.jwk] } : { issuer, jwks_uri: `${issuer}/jwks` }
      )
    )
  })
  await new Promise<void>(resolve => {
    provider.listen(0, '127.0.0.1', resolve)
  })
  const issuer = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`
  const { mcpUrl } = await buildApp(t, { issuer, mcp: { server: whoami() } }, {
    closeLast: {
      close: async () => {
        provider.close()
      }
    }
  })
  const token = await new SignJWT({ sub: 'alice', client_id: 'c' }).setProtectedHeader({
    alg: 'ES256',
    kid: 'one',
    typ: 'at+jwt'
  }).setIssuer(issuer).setAudience(mcpUrl).setExpirationTime('1m').sign(key.privateKey)
  for (const bearer of [token, `${token.slice(0, -4)}AAAA`]) {
    await (await fetch(mcpUrl, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${bearer}`,
        cookie: 'canary=1'
      },
      body: JSON.stringify(whoamiCall)
    })).text()
  }
  assert.ok(requests.length >= 2)
  for (const { method, headers, all } of requests) {
    assert.deepEqual([method, headers.authorization, headers.cookie], ['GET', undefined, undefined])
    assert.ok(!all.includes(token.slice(0, 40)) && !all.includes('canary'))
  }
})

test('the broker exchanges no tokens between provider and client [RS-19 TP-01 TP-04 TK-10]', async (t) => {
  const flow = await startFlow(t)
  const id = await flow.register()
  const first = await flow.tokens(id)
  assert.equal((await flow.call(first.access_token)).status, 200)
  const second = (await flow.token(renew(id, first.refresh_token))).json()
  await flow.revoke({ client_id: id, token: second['access_token'] })
  await flow.revoke({ client_id: id, token: second['refresh_token'] })

  const given = [first, second].flatMap(
    tokens => [tokens['access_token'], tokens['refresh_token']]
  ) as string[]
  const { requests, canaries } = flow.provider
  assert.ok(requests.filter(({ path }) => path === '/token').length === 2)
  for (const { path, authorization = '', params } of requests) {
    const sent = `${authorization} ${
      Buffer.from(authorization.replace(/^Basic /, ''), 'base64')
    } ${params}`
    for (const token of given) {
      assert.ok(!sent.includes(token) && !sent.includes(encodeURIComponent(token)), path)
    }
    if (path === '/token') {
      // HTTP Basic has the secret form-encoded (RFC 6749 §2.3.1).
      const secret = encodeURIComponent(providerClient.clientSecret)
      assert.ok(sent.includes(secret), 'the provider receives the client secret')
    }
  }
  // The harness compared each of our responses with these canaries.
  assert.ok(canaries.size >= 4)
  for (const token of given) {
    for (const canary of canaries) {
      assert.ok(
        !token.includes(canary) &&
          !Buffer.from(token.split('.')[1] ?? '', 'base64url').includes(canary)
      )
    }
  }
})

test('POST /mcp of the broker rejects tokens of the provider with 401 [RS-19 TP-02]', async (t) => {
  const flow = await startFlow(t)
  await flow.tokens(await flow.register())
  const key = flow.provider.key
  const jwt = await new SignJWT({ scope: 'mcp:read' }).setProtectedHeader({
    alg: key.alg,
    kid: key.kid,
    typ: 'at+jwt'
  })
    .setIssuer(flow.provider.issuer).setAudience(flow.resource).setSubject('alice').setIssuedAt()
    .setExpirationTime('1m').sign(key.privateKey)
  for (const token of [...flow.provider.canaries, jwt]) {
    const rejected = await flow.call(token)
    assert.equal(rejected.status, 401)
    assert.match(rejected.headers.get('www-authenticate') ?? '', /^Bearer error="invalid_token"/)
  }
})
