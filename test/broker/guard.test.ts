import assert from 'node:assert/strict'
import { SignJWT } from 'jose'
import { createSigningKeys } from '../../lib/crypto/signing-keys.ts'
import { matrix } from '../support/matrix.ts'
import { callerIn } from '../support/guarded.ts'
import {
  claimsOf,
  isError,
  redeem,
  secret,
  providerClient,
  type Flow,
  type Reply
} from '../support/flow.ts'
import { sweep } from '../support/sweep.ts'

const caller = async (reply: Reply) => await callerIn(new Response(reply.text))

function isRejected (reply: Reply, flow: Flow, message = ''): void {
  assert.equal(reply.status, 401, `${message} ${reply.text}`)
  const { pathname } = new URL(flow.resource)
  assert.match(
    reply.headers.get('www-authenticate') ?? '',
    /^Bearer error="invalid_token", error_description="[^"]+", resource_metadata="/,
    message
  )
  assert.ok(
    reply.headers.get('www-authenticate')?.includes(
      `/.well-known/oauth-protected-resource${pathname}"`
    )
  )
}

matrix(
  'POST /mcp accepts only an unexpired token that we issued for this resource [Q-09 J-04 J-08 J-09 J-10 J-12]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const keys = await createSigningKeys(
      [secret],
      `${flow.provider.issuer} ${providerClient.clientId} ${flow.prefix}`
    )
    const id = await flow.register()
    const tokens = await flow.tokens(id)
    const validClaims = claimsOf(tokens.access_token)
    assert.equal(
      (await flow.call(await keys.sign(validClaims))).status,
      200,
      'a token signed in this way is valid'
    )
    const now = Math.floor(Date.now() / 1000)
    for (
      const more of [
        { exp: now - 31 },
        { exp: undefined },
        { aud: `${flow.resource}/x` },
        { aud: providerClient.clientId },
        { aud: undefined },
        { iss: 'https://evil.example' },
        { iss: `${flow.base}/` },
        { gid: undefined },
        { gid: 1 },
        { sub: undefined },
        { sub: '' },
        { nbf: now + 3600 },
        { iat: now + 3600 },
        { exp: now + 100 * 86_400 },
        { cnf: { jkt: 'x' } }
      ]
    ) {
      isRejected(
        await flow.call(
          await keys.sign(
            JSON.parse(
              JSON.stringify({
                ...validClaims,
                ...more,
                ...('exp' in more && more.exp === undefined ? { exp: undefined } : {})
              })
            )
          )
        ),
        flow,
        JSON.stringify(more)
      )
    }
    const foreign = await createSigningKeys([secret], 'another context')
    isRejected(await flow.call(await foreign.sign(validClaims)), flow, 'J-15')
    const forged = await new SignJWT(validClaims).setProtectedHeader({
      alg: 'HS256',
      typ: 'at+jwt',
      kid: keys.jwks.keys[0]?.kid as string
    }).sign(new TextEncoder().encode(JSON.stringify(keys.jwks.keys[0])))
    isRejected(await flow.call(forged), flow, 'J-02')
    const [, payload] = tokens.access_token.split('.')
    isRejected(
      await flow.call(
        `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${payload}.`
      ),
      flow,
      'J-01'
    )
    for (
      const value of [
        tokens.refresh_token,
        await flow.login(id),
        id,
        tokens.access_token.replace(/.$/, (last: string) => last === 'A' ? 'B' : 'A'),
        [...flow.provider.refreshTokens.keys()][0]
      ]
    ) isRejected(await flow.call(value as string), flow, 'J-12 J-19')
  }
)

matrix(
  'POST /mcp passes the user to a tool without our internal claims',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    const { access_token: token } = await flow.tokens(id)
    const received = await caller(await flow.call(token))
    assert.deepEqual([
      received['subject'],
      received['clientId'],
      received['scopes'],
      received['resource'],
      received['upstream']
    ], ['alice', id, ['mcp:read'], flow.resource, undefined])
    assert.deepEqual(Object.keys(received['claims'] as object).sort(), [
      'aud',
      'client_id',
      'exp',
      'iat',
      'iss',
      'jti',
      'scope',
      'sub'
    ])
  }
)

matrix(
  'POST /mcp passes the sealed provider token to a tool with upstreamToken [Q-25]',
  async ({ startFlow }) => {
    const flow = await startFlow({ options: { upstreamToken: true } })
    const id = await flow.register()
    const { access_token: token } = await flow.tokens(id)
    const upstreamToken = [...flow.provider.canaries].find(value => value.includes('access'))
    assert.ok(!Buffer.from(token.split('.')[1], 'base64url').includes(upstreamToken as string))
    const response = await fetch(`${flow.origin}${flow.prefix}/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${token}`
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'whoami', arguments: {} }
      })
    })
    const received = await callerIn(response)
    assert.deepEqual(received['upstream'], { accessToken: upstreamToken, scope: null })
  }
)

matrix(
  'POST /oauth/token rejects a provider token too long for ours',
  async ({ startFlow }) => {
    const flow = await startFlow({ options: { upstreamToken: true } })
    const id = await flow.register()
    flow.provider.tokenOverrides = { access_token: 'x'.repeat(8000) }
    const reply = await flow.token(redeem(id, await flow.login(id)))
    isError(reply, 500, 'server_error')
  }
)

matrix('POST /mcp keeps interleaved calls of users apart [Q-24]', async ({ startFlow }) => {
  const flow = await startFlow()
  const id = await flow.register()
  const users = Array.from({ length: 20 }, (_, index) => `user${index}`)
  const tokens = new Map<string, string>()
  for (const user of users) {
    flow.provider.user = user
    tokens.set(user, (await flow.tokens(id)).access_token)
  }
  const calls = Array.from(
    { length: sweep(400) },
    (_, index) => users[(index * 7) % users.length] as string
  )
  const received = await Promise.all(
    calls.map(async user => (await caller(await flow.call(tokens.get(user) as string)))['subject'])
  )
  assert.deepEqual(received, calls)
})

matrix(
  'POST /mcp returns 503, never 401, for a valid token while the store is down [F-13]',
  async ({ startFlow }) => {
    let down = false
    const flow = await startFlow({
      wrap: store => ({
        ...store,
        get: async key => {
          if (down) throw new Error('down')
          return await store.get(key)
        }
      })
    })
    const { access_token: token } = await flow.tokens(await flow.register())
    down = true
    const reply = await flow.call(token)
    assert.equal(reply.status, 503)
    assert.equal(reply.headers.get('retry-after'), '5')
    down = false
    assert.equal((await flow.call(token)).status, 200)
  }
)
