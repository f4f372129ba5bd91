import { createHash, sign, verify } from 'node:crypto'
import Fastify from 'fastify'
import {
  SignJWT,
  calculateJwkThumbprint,
  createLocalJWKSet,
  exportJWK,
  jwtVerify
} from 'jose'
import { createKeyPair, generateKeyPair } from '../../test/support/key-pair.ts'
import { jwtVerifier, mcpOAuth } from '../../lib/index.ts'
import { createNonces } from '../../lib/dpop/verifier.ts'
import { createEchoServer } from '../contenders/echo-server.ts'
import { bytesOf, contend } from './compare.ts'

// An McpServer behind the guard, and the same without one. The argument says which token requests
// have: always the same one (`none`: without a guard), one that is not in the cache any more, one
// that is refused, or none.

const [mode = 'none', algorithm = 'RS256'] = (process.argv[2] ?? '').split(' ')
const issuer = 'https://login.example.com'
const publicUrl = 'https://mcp.example.com'
const audience = `${publicUrl}/mcp`
const secret = 'an example of a secret with 48 random characters'

const { privateKey, publicKey } = await generateKeyPair(algorithm)
const key = { ...await exportJWK(publicKey), kid: 'one', alg: algorithm }
const set = createLocalJWKSet({ keys: [key] })
const get = async (): Promise<typeof set> => set
const keys = { get, refresh: get, peek: () => set, isCoolingDown: () => true } as never

const client = createKeyPair('ec')

const body = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'echo', arguments: { text: 'hello' } }
})
const headers = {
  host: 'mcp.example.com',
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream'
}

async function mint (index = 0, claims: object = {}): Promise<string> {
  return await new SignJWT({
    scope: 'openid profile',
    client_id: 'bench',
    jti: `${index}`,
    iss: issuer,
    aud: audience,
    sub: 'user',
    iat: Math.floor(Date.now() / 1000),
    exp: Math.floor(Date.now() / 1000) + 3600,
    ...claims
  }).setProtectedHeader({ alg: algorithm, kid: 'one', typ: 'at+jwt' }).sign(privateKey)
}

const call = (token: string, more: object = {}): string =>
  bytesOf('POST /mcp', { ...headers, authorization: `Bearer ${token}`, ...more }, body)

// More than the cache holds, so that none is there at its next turn.
const tokens = await Promise.all(
  Array.from(
    { length: mode === 'unknown' || mode === 'jose' ? 12_000 : 1 },
    (_, index) => mint(index)
  )
)
const [known = ''] = tokens
const app = Fastify()
app.decorateRequest('seen', null)
const dpop = mode === 'dpop' ? 'require' as const : 'off' as const
await app.register(
  mcpOAuth,
  ['none', 'jose', 'ecdsa'].includes(mode)
    ? { auth: false, publicUrl, mcp: { server: createEchoServer() } }
    : {
      tokens: jwtVerifier({ issuer, keys }),
      publicUrl,
      dpop,
      secret,
      mcp: { server: createEchoServer() }
    } as never
)
if (mode === 'jose') {
  app.addHook('onRequest', async ({ headers: { authorization = '' } }) => {
    await jwtVerify(authorization.slice(7), set, {
      issuer,
      audience,
      algorithms: ['RS256', 'ES256', 'EdDSA']
    })
  })
}

if (mode === 'ecdsa') {
  // The least that a proof can cost: its signature, with a key that is known and no other check.
  app.addHook('onRequest', (request, _reply, done) => {
    const [head = '', claims = '', signature = ''] = String(request.headers['dpop']).split('.')
    const key = { key: client.publicKey, dsaEncoding: 'ieee-p1363' } as const
    const signed = Buffer.from(`${head}.${claims}`)
    const isValid = verify('sha256', signed, key, Buffer.from(signature, 'base64url'))
    done(isValid ? undefined : new Error('The signature is invalid'))
  })
}

const plain = Fastify()
if (mode === 'bare') {
  // A route that refuses as the guard does, with the same bytes.
  const refused = await app.inject({ method: 'POST', url: '/mcp', headers, body })
  const sent = Object.fromEntries(
    Object.entries(refused.headers).filter(([name]) =>
      !['connection', 'date', 'content-length', 'keep-alive'].includes(name)
    )
  )
  plain.post('/mcp', {
    onRequest (_request, reply) {
      reply.code(401).headers(sent).send(refused.body)
    }
  }, () => {})
}

const ways: Record<string, (count: number) => string[] | Promise<string[]>> = {
  none: () => [call(known)],
  known: () => [call(known)],
  unknown: () => slice(tokens.map(token => call(token))),
  jose: () => slice(tokens.map(token => call(token))),
  missing: () => [bytesOf('POST /mcp', headers, body)],
  bare: () => [bytesOf('POST /mcp', headers, body)],
  signature:
    () => [call(known.replace(/.(.{30})$/, (end, rest) => (end[0] === 'A' ? 'B' : 'A') + rest))],
  expired: async () => [call(await mint(0, { exp: 1_000_000_000, iat: 999_999_000 }))],
  audience: async () => [call(await mint(0, { aud: 'https://other.example.com' }))],
  opaque: () => [call('not-a-jwt-but-some-text')],
  dpop: proofs,
  ecdsa: proofs
}
let start = 0
function slice (all: string[]): string[] {
  start = (start + 2_000) % all.length
  return all.slice(start, start + 2_000)
}

async function proofs (count: number): Promise<string[]> {
  const { kty, crv, x, y } = client.publicKey.export({ format: 'jwk' })
  const jwk = { kty, crv, x, y } as Record<string, string>
  const token = await mint(0, { cnf: { jkt: await calculateJwkThumbprint(jwk) } })
  const ath = createHash('sha256').update(token).digest('base64url')
  const [nonce] = createNonces([secret])(Date.now() / 1000)
  const head = encode({ typ: 'dpop+jwt', alg: 'ES256', jwk })
  return Array.from({ length: count }, () => {
    const claims = {
      jti: crypto.randomUUID(),
      iat: Math.floor(Date.now() / 1000),
      htm: 'POST',
      htu: audience,
      ath,
      nonce
    }
    const signed = `${head}.${encode(claims)}`
    const key = { key: client.privateKey, dsaEncoding: 'ieee-p1363' } as const
    const proof = `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
    return call(token, { authorization: `DPoP ${token}`, dpop: proof })
  })
}

function encode (object: object): string {
  return Buffer.from(JSON.stringify(object)).toString('base64url')
}

const served = mode === 'bare' ? plain : app
await served.listen({ host: '127.0.0.1', port: 0 })
contend(served.server.address(), ways[mode] ?? (() => []))
