import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { exportJWK, SignJWT } from 'jose'
import { generateKeyPair } from './key-pair.ts'
import type { CryptoKey, JWK, JWTPayload } from 'jose'

/** A signing key and its public JWK. */
export interface IssuerKey {
  kid: string
  alg: string
  privateKey: CryptoKey
  jwk: JWK
}

type Fault = (response: ServerResponse, issuer: Issuer) => void

const headers = { 'content-type': 'application/json' }

/** Created once, on demand: compression takes time. */
let bomb: Buffer | undefined

/** Faults of an endpoint, by name. */
export const faults = {
  hang: () => {},
  hangAfterHeaders: (response) => {
    response.writeHead(200, headers).write('{')
  },
  drip: (response) => {
    response.writeHead(200, headers)
    const timer = setInterval(() => {
      response.write(' ')
    }, 20)
    response.on('close', () => {
      clearInterval(timer)
    })
  },
  reset: (response) => {
    response.socket?.resetAndDestroy()
  },
  resetMidBody: (response) => {
    response.writeHead(200, { ...headers, 'content-length': '9999' }).write(
      '{"keys":',
      () => response.socket?.resetAndDestroy()
    )
  },
  garbage: (response) => {
    response.writeHead(200, headers).end('<html>not JSON</html>')
  },
  html: (response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>')
  },
  null: (response) => {
    response.writeHead(200, headers).end('null')
  },
  array: (response) => {
    response.writeHead(200, headers).end('[]')
  },
  deep: (response) => {
    response.writeHead(200, headers).end('{"a":' + '['.repeat(100_000))
  },
  brackets: (response) => {
    response.writeHead(200, headers).end(`{"keys":${'['.repeat(20_000)}${']'.repeat(20_000)}}`)
  },
  oversize: (response) => {
    response.writeHead(200, headers).end(`{"pad":"${'x'.repeat(600_000)}"}`)
  },
  endless: (response) => {
    response.writeHead(200, headers)
    const writeMore = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    }
    response.on('drain', writeMore)
    writeMore()
  },
  bomb: (response) => {
    response.writeHead(200, { ...headers, 'content-encoding': 'gzip' }).end(
      bomb ??= gzipSync(Buffer.alloc(50_000_000, 32))
    )
  },
  redirect: (response, issuer) => {
    response.writeHead(302, { location: `${issuer.origin}/trap` }).end()
  },
  unavailable: (response) => {
    response.writeHead(503, headers).end('{}')
  },
  error: (response) => {
    response.writeHead(500, headers).end('{}')
  },
  missing: (response) => {
    response.writeHead(404, headers).end('{}')
  }
} satisfies Record<string, Fault>

/** A stub authorization server: real HTTP, real keys, faults on demand. */
export interface Issuer {
  origin: string
  issuer: string
  jwksUri: string
  /** Path of the metadata. */
  metadataPath: string
  /** Served as metadata; tests may change it. */
  metadata: Record<string, unknown>
  /** Served as the JWK set; tests may change it. */
  jwks: unknown
  /** The fault of a path, which replaces its document. */
  fail: Map<string, keyof typeof faults>
  /** Requests that arrived, by path. */
  requests: Map<string, number>
  /** The key that `mint` signs with. */
  key: IssuerKey
  /**
   * Signs a valid access token for `audience`, with these claims in place of its own. `undefined`
   * removes a claim.
   */
  mint(
    claims?: Record<string, unknown>,
    options?: { header?: Record<string, unknown>, key?: IssuerKey }
  ): Promise<string>
  close(): Promise<void>
}

/** The audience of minted tokens. */
export const resource = 'https://api.example.com/mcp'

export async function createKey (kid: string, alg = 'ES256'): Promise<IssuerKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg)
  return { kid, alg, privateKey, jwk: { ...await exportJWK(publicKey), kid, alg, use: 'sig' } }
}

/** Starts on a free port of loopback. `path` is the path of the issuer, such as `/tenant`. */
export async function startIssuer (
  options: { path?: string, metadataPath?: string } = {}
): Promise<Issuer> {
  const { path = '', metadataPath = `/.well-known/oauth-authorization-server${path}` } = options
  const server = createServer((request, response) => {
    respond(request, response)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const key = await createKey('one')

  const issuer: Issuer = {
    origin,
    issuer: origin + path,
    jwksUri: `${origin}/jwks`,
    metadataPath,
    metadata: {
      issuer: origin + path,
      authorization_endpoint: `${origin}/authorize`,
      token_endpoint: `${origin}/token`,
      jwks_uri: `${origin}/jwks`,
      response_types_supported: ['code'],
      code_challenge_methods_supported: ['S256']
    },
    jwks: { keys: [key.jwk] },
    fail: new Map(),
    requests: new Map(),
    key,
    mint,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      })
  }
  return issuer

  async function mint (
    claims: Record<string, unknown> = {},
    { header = {}, key = issuer.key }: { header?: Record<string, unknown>, key?: IssuerKey } = {}
  ): Promise<string> {
    const now = Math.floor(Date.now() / 1000)
    const all = {
      iss: issuer.issuer,
      aud: resource,
      sub: 'alice',
      client_id: 'client',
      scope: 'read write',
      iat: now,
      exp: now + 300,
      ...claims
    }
    const payload = Object.fromEntries(
      Object.entries(all).filter(([, value]) => value !== undefined)
    )
    const protectedHeader = { alg: key.alg, kid: key.kid, typ: 'at+jwt', ...header }
    return new SignJWT(payload as JWTPayload).setProtectedHeader(
      JSON.parse(JSON.stringify(protectedHeader))
    ).sign(key.privateKey)
  }

  function respond (request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? ''
    issuer.requests.set(url, (issuer.requests.get(url) ?? 0) + 1)
    const fault = issuer.fail.get(url)
    const document = url === issuer.metadataPath
      ? issuer.metadata
      : url === '/jwks'
      ? issuer.jwks
      : undefined
    if (fault) faults[fault](response, issuer)
    else if (document === undefined) faults.missing(response)
    else {
      response.writeHead(200, headers).end(
        typeof document === 'string' ? document : JSON.stringify(document)
      )
    }
  }
}
