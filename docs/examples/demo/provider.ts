import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { AddressInfo } from 'node:net'
import type { Client, Interaction, default as Provider } from 'oidc-provider'
import { consentPage, errorPage, loginPage } from './pages.ts'

/**
 * Who can sign in. Each of them does so without a password: this provider is for demonstrations and
 * tests only.
 */
export const users = ['alice', 'bob']

export interface ProviderOptions {
  /** Port on 127.0.0.1. Defaults to a free one. */
  port?: number
  /** Clients known beforehand, as RFC 7591 metadata with `client_id` and `client_secret`. */
  clients?: object[]
  /** Dynamic client registration (RFC 7591). Defaults to `true`. */
  registration?: boolean
  /** Scopes of the resources, beside `openid profile email offline_access`. */
  scopes?: string[]
  /**
   * The resources tokens may be asked for (RFC 8707); `invalid_target` for others. Defaults to any.
   */
  resources?: string[]
  /**
   * How access tokens for a resource look. Defaults: a JWT, signed with RS256, for the resource
   * itself, good for 3600 seconds.
   */
  accessToken?: {
    format?: 'jwt' | 'opaque'
    alg?: 'RS256' | 'ES256'
    audience?: string
    ttl?: number
  }
  /** Further `features` of oidc-provider. */
  features?: object
  /** How it sends requests of its own. Defaults to one that refuses addresses of this machine. */
  fetch?: typeof fetch
  /** The `formats` of oidc-provider. */
  formats?: object
  /** Adds to the provider before it serves anyone, such as a grant type. */
  extend?: (provider: Provider) => void
}

export interface RunningProvider {
  /** Both the issuer and where it listens. */
  issuer: string
  url: string
  /** Registers a client through the registration endpoint and returns what it answered. */
  registerClient(
    metadata: object
  ): Promise<{ client_id: string, client_secret?: string, [member: string]: unknown }>
  close(): Promise<void>
}

/**
 * Starts a real OpenID provider (`oidc-provider`) on loopback. Its login and consent are plain
 * forms, for people and for scripts.
 */
export async function startProvider (options: ProviderOptions = {}): Promise<RunningProvider> {
  const server = createServer()
  await new Promise<void>((resolve, reject) =>
    server.once('error', reject).listen(options.port ?? 0, '127.0.0.1', resolve)
  )
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider = await quietly(async () => {
    const { default: Provider, errors } = await import('oidc-provider')
    return new Provider(
      issuer,
      configuration(options, () => {
        throw new errors.InvalidTarget()
      })
    )
  })
  options.extend?.(provider)
  const callback = provider.callback()

  server.on('request', (request, response) => {
    const handled = request.url?.startsWith('/interaction/')
      ? interact(request, response)
      : callback(request, response)
    handled.catch((error: Error) =>
      response.writeHead(400, { 'content-type': 'text/html' }).end(errorPage(error.message))
    )
  })

  async function interact (request: IncomingMessage, response: ServerResponse) {
    const interaction = await provider.interactionDetails(request, response)
    const client = await provider.Client.find(interaction.params.client_id ?? '')
    if (request.method !== 'POST') {
      const page = interaction.prompt.name === 'login'
        ? loginPage(users)
        : consentPage(interaction, client?.clientName)
      response.writeHead(200, {
        'content-type': 'text/html; charset=utf-8',
        'cache-control': 'no-store'
      }).end(page)
      return
    }
    await provider.interactionFinished(
      request,
      response,
      await answer(interaction, new URLSearchParams(await text(request)))
    )
  }

  async function answer (interaction: Interaction, form: URLSearchParams): Promise<object> {
    if (form.get('decision') !== 'allow') {
      return { error: 'access_denied', error_description: 'The user said no' }
    }
    if (interaction.prompt.name === 'login') return { login: { accountId: form.get('user') } }
    const owner = {
      accountId: interaction.session?.accountId ?? '',
      clientId: interaction.params.client_id ?? ''
    }
    const grant = await provider.Grant.find(interaction.grantId ?? '') ?? new provider.Grant(owner)
    const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } =
      interaction.prompt.details
    if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '))
    if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims)
    for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) {
      grant.addResourceScope(resource, scopes.join(' '))
    }
    return { consent: { grantId: await grant.save() } }
  }

  return {
    issuer,
    url: issuer,
    async registerClient (metadata) {
      const body = JSON.stringify(metadata)
      const response = await fetch(`${issuer}/reg`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body
      })
      if (response.status !== 201) {
        throw new Error(`Registration answered ${response.status}: ${await response.text()}`)
      }
      return await response.json() as { client_id: string }
    },
    async close () {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

function configuration (options: ProviderOptions, refuse: () => never) {
  const { format = 'jwt', alg = 'RS256', audience, ttl = 3600 } = options.accessToken ?? {}
  return {
    clients: options.clients ?? [],
    ...options.fetch && { fetch: options.fetch },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    jwks: { keys: [rsa, ec] },
    scopes: ['openid', 'profile', 'email', 'offline_access', ...options.scopes ?? []],
    claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
    conformIdTokenClaims: false,
    clientBasedCORS: () => true,
    issueRefreshToken: async (_context: unknown, client: Client) =>
      client.grantTypeAllowed('refresh_token'),
    findAccount: (_context: unknown, id: string) =>
      users.includes(id) ? { accountId: id, claims: () => claimsOf(id) } : undefined,
    interactions: { url: (_context: unknown, { uid }: Interaction) => `/interaction/${uid}` },
    renderError: (
      context: object,
      { error_description: reason, error = '' }: Record<string, string>
    ) => {
      Object.assign(context, { type: 'html', body: errorPage(reason ?? error) })
    },
    ttl: {
      AccessToken: ttl,
      ClientCredentials: ttl,
      Grant: 86_400,
      IdToken: 3600,
      Interaction: 600,
      RefreshToken: 86_400,
      Session: 86_400
    },
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: options.registration ?? true },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: {
        enabled: true,
        allowedPolicy: (_context: unknown, client: Client, token: { clientId: string }) =>
          token.clientId === client.clientId
      },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context: unknown, resource: string) => {
          if (options.resources && !options.resources.includes(resource)) refuse()
          return {
            scope: (options.scopes ?? []).join(' '),
            audience: audience ?? resource,
            accessTokenFormat: format,
            accessTokenTTL: ttl,
            ...format === 'jwt' && { jwt: { sign: { alg } } }
          }
        }
      },
      ...options.features
    },
    ...options.formats && { formats: options.formats }
  }
}

const claimsOf = (user: string) => ({
  sub: user,
  name: user,
  email: `${user}@example.com`,
  email_verified: true
})

/** By way of text: Node.js 20 may wait for ever while it exports a key that it has just made. */
function createKey (type: 'rsa' | 'ec') {
  // Each type reads the options that it has.
  const options = {
    modulusLength: 2048,
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
  } as const
  const { privateKey } = generateKeyPairSync(type as 'rsa', options)
  return { ...createPrivateKey(privateKey).export({ format: 'jwk' }), use: 'sig' }
}
const rsa = createKey('rsa')
const ec = createKey('ec')

/**
 * Keeps oidc-provider's start-up advice, meant for those who run it in production, off the console.
 */
async function quietly<Result> (start: () => Promise<Result>): Promise<Result> {
  const { info, warn } = console
  console.info = console.warn = () => {}
  try {
    return await start()
  } finally {
    Object.assign(console, { info, warn })
  }
}
