import assert from 'node:assert/strict'
import type { webcrypto } from 'node:crypto'
import { test } from 'node:test'
import {
  Client as Client2,
  ClientCredentialsProvider as Secret2,
  PrivateKeyJwtProvider as Key2,
  StreamableHTTPClientTransport as Transport2
} from '@modelcontextprotocol/client'
import {
  ClientCredentialsProvider,
  PrivateKeyJwtProvider
} from '@modelcontextprotocol/sdk/client/auth-extensions.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  allowInsecureRequests,
  clientCredentialsGrant,
  ClientSecretBasic,
  ClientSecretPost,
  discovery,
  None,
  PrivateKeyJwt,
  tokenRevocation,
  type ClientAuth
} from 'openid-client'
import { startBroker, whoami, type RunningBroker } from '../support/broker.ts'
import { matrix, type Harness } from '../support/matrix.ts'
import { newKey, newSecret } from '../support/machines.ts'
import { startMcpRemote } from '../support/mcp-remote.ts'

const { secret, hash } = newSecret()
const keys = { ES256: newKey('ES256'), RS256: newKey('RS256'), EdDSA: newKey('EdDSA') }
const grantTypes: ['client_credentials'] = ['client_credentials']

/** A broker in front of an available provider, which must receive no request. */
async function startWithMachines (start: Harness['startBroker']): Promise<RunningBroker> {
  return await start({
    options: {
      clients: [
        { clientId: 'job', secretHashes: [hash], grantTypes, scopes: ['mcp:read', 'mcp:write'] },
        ...Object.entries(keys).map(([alg, { jwk }]) => ({
          clientId: `signer ${alg}`,
          jwks: { keys: [jwk] },
          grantTypes
        }))
      ]
    },
    routes (app) {
      whoami(app)
      const schema = { operationId: 'subject', summary: 'Returns the caller' }
      app.get('/subject', {
        config: { mcp: { scopes: ['mcp:write'] } },
        schema,
        onRequest: app.requireMcpAuth()
      }, async ({ mcpAuth }) => ({ subject: mcpAuth?.subject }))
    }
  })
}

interface AnyClient {
  listTools(): Promise<{ tools: Array<{ name: string }> }>
  callTool(
    params: { name: string, arguments: Record<string, never> }
  ): Promise<Record<string, unknown>>
}

async function namesOf (client: AnyClient): Promise<string[]> {
  return (await client.listTools()).tools.map(({ name }) => name).sort()
}

matrix(
  'POST /oauth/token lets the SDK 1.x log in with a secret or a key and call a tool [EX-01]',
  async (harness, t) => {
    const { mcpUrl, issuer: expectedIssuer } = await startWithMachines(harness.startBroker)
    const connect = async (authProvider: ClientCredentialsProvider | PrivateKeyJwtProvider) => {
      const client = new Client({ name: 'machine', version: '1.0.0' })
      t.after(() => client.close())
      await client.connect(
        new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider }) as Transport
      )
      return client
    }
    const job = await connect(
      new ClientCredentialsProvider({ clientId: 'job', clientSecret: secret, expectedIssuer })
    )
    assert.deepEqual(await namesOf(job), ['subject', 'whoami'])
    assert.match(
      JSON.stringify(await job.callTool({ name: 'subject', arguments: {} })),
      /subject.*job/
    )
    const reader = await connect(
      new ClientCredentialsProvider({
        clientId: 'job',
        clientSecret: secret,
        scope: 'mcp:read',
        expectedIssuer
      })
    )
    assert.deepEqual(
      await namesOf(reader),
      ['whoami'],
      'RS-22 a machine lists the tools it may call'
    )

    for (const [algorithm, { privateKey }] of Object.entries(keys)) {
      const key = algorithm === 'EdDSA'
        ? privateKey.export({ format: 'jwk' }) as Record<string, unknown>
        : privateKey.export({ format: 'pem', type: 'pkcs8' }) as string
      const signer = await connect(
        new PrivateKeyJwtProvider({
          clientId: `signer ${algorithm}`,
          privateKey: key,
          algorithm,
          expectedIssuer
        })
      )
      assert.match(
        JSON.stringify(await signer.callTool({ name: 'whoami', arguments: {} })),
        /authorization/
      )
    }
    await assert.rejects(
      connect(
        new ClientCredentialsProvider({
          clientId: 'job',
          clientSecret: `${secret}x`,
          expectedIssuer
        })
      ),
      /could not be authenticated/
    )
  }
)

matrix(
  'POST /oauth/token lets the SDK 2.x log in with a secret or a key and call a tool [EX-01]',
  async (harness, t) => {
    const { mcpUrl, issuer: expectedIssuer } = await startWithMachines(harness.startBroker)
    const connect = async (authProvider: Secret2 | Key2) => {
      const client = new Client2({ name: 'machine', version: '1.0.0' })
      t.after(() => client.close())
      await client.connect(new Transport2(new URL(mcpUrl), { authProvider }))
      return client
    }
    const job = await connect(
      new Secret2({
        clientId: 'job',
        clientSecret: secret,
        scope: 'mcp:read mcp:write',
        expectedIssuer
      })
    )
    assert.match(
      JSON.stringify(await job.callTool({ name: 'subject', arguments: {} })),
      /subject.*job/
    )
    for (const [algorithm, { privateKey }] of Object.entries(keys)) {
      const signer = await connect(
        new Key2({
          clientId: `signer ${algorithm}`,
          privateKey: privateKey.export({ format: 'jwk' }) as Record<string, unknown>,
          algorithm,
          expectedIssuer
        })
      )
      assert.deepEqual(await namesOf(signer), ['whoami'])
    }
  }
)

matrix(
  'POST /oauth/token and /oauth/revoke serve openid-client with every listed method [EX-01 V-05]',
  async (harness) => {
    const { mcpUrl, issuer } = await startWithMachines(harness.startBroker)
    const methods: Array<[clientId: string, method: ClientAuth]> = [
      ['job', ClientSecretBasic(secret)],
      ['job', ClientSecretPost(secret)],
      ...await Promise.all(
        (['ES256', 'RS256'] as const).map(async (
          alg
        ): Promise<[string, ClientAuth]> => [`signer ${alg}`, PrivateKeyJwt(await imported(alg))])
      )
    ]
    const configure = async (clientId: string, method: ClientAuth) => (
      await discovery(new URL(issuer), clientId, undefined, method, {
        algorithm: 'oauth2',
        execute: [allowInsecureRequests]
      })
    )
    for (const [clientId, method] of methods) {
      const config = await configure(clientId, method)
      const tokens = await clientCredentialsGrant(config, { resource: mcpUrl, scope: 'mcp:read' })
      assert.deepEqual([tokens.token_type, tokens.expires_in, tokens.scope, tokens.refresh_token], [
        'bearer',
        3600,
        'mcp:read',
        undefined
      ])
      await tokenRevocation(config, tokens.access_token)
    }
    await assert.rejects(clientCredentialsGrant(await configure('job', None())), {
      error: 'invalid_client'
    })
    await assert.rejects(
      clientCredentialsGrant(await configure('job', ClientSecretBasic(secret)), { scope: 'admin' }),
      { error: 'invalid_scope' }
    )
  }
)

async function imported (alg: 'ES256' | 'RS256'): Promise<webcrypto.CryptoKey> {
  const algorithm = alg === 'ES256'
    ? { name: 'ECDSA', namedCurve: 'P-256' }
    : { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  return await crypto.subtle.importKey(
    'pkcs8',
    keys[alg].privateKey.export({ format: 'der', type: 'pkcs8' }),
    algorithm,
    false,
    ['sign']
  )
}

test('POST /oauth/token lets mcp-remote --client-credentials call a tool [EX-01]', async (t) => {
  const { mcpUrl } = await startWithMachines(setup => startBroker(t, setup))
  const credentials = JSON.stringify({ client_id: 'job', client_secret: '$' + '{MACHINE_SECRET}' })
  // By default mcp-remote requests only the scopes that every call requires.
  const scope = JSON.stringify({ scope: 'mcp:read mcp:write' })
  const options = [
    '--client-credentials',
    '--static-oauth-client-info',
    credentials,
    '--static-oauth-client-metadata',
    scope
  ]
  const { request, notify } = await startMcpRemote(t, mcpUrl, options, { MACHINE_SECRET: secret })
  assert.match(
    await request(1, 'initialize', {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'test', version: '1.0.0' }
    }),
    /serverInfo/
  )
  notify('notifications/initialized')
  assert.match(await request(2, 'tools/call', { name: 'subject', arguments: {} }), /subject.*job/)
})
