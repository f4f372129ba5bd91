import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { test, type TestContext } from 'node:test'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { introspectionVerifier, jwtVerifier, mcpOAuth } from '../../lib/index.ts'
import { optionNames } from '../../lib/options/names.ts'
import * as presets from '../../lib/providers/index.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { redisStore } from '../../lib/store/redis.ts'
import { loggingApp } from '../support/app.ts'
import { read, root } from '../support/docs.ts'
import { openBrowser, startFlow, type Flow } from '../support/flow.ts'
import { startGuarded, whoami, type GuardedApp } from '../support/guarded.ts'
import { json, redeem, renew, sendRequest } from '../support/requests.ts'

// What does a person read who makes a mistake: does it name the subject, the cause and the remedy?

/** A planted mistake. */
interface Mistake {
  /** A plain sentence. */
  title: string
  /** Plants the mistake, and returns what the person reads. */
  plant: (bench: Bench) => Promise<string[]>
  /** All that the person reads, with URLs of the test in words. */
  reads: string[]
  /** First cell of its row in docs/troubleshooting.md, or its code in docs/errors.md. */
  row: string
  /** Where the remedy is, if the sentence is not ours, or is also read without a mistake. */
  remedy?: 'docs'
}

/** Servers that all rows share. */
interface Bench {
  guarded: GuardedApp
  flow: Flow
  /** Log lines of the guarded server. */
  logs: string[]
  t: TestContext
}

type Options = Record<string, unknown>

const issuer = 'https://id.example'
const proxies = { issuer, setupProxies: true, clientId: 'server', clientSecret: 'canary-1' }
const secret = randomBytes(32).toString('hex')
const pass = async () => {}
const isUnset = 'undefined is given. Is the environment variable set?'
const generate = 'Give at least 32 random bytes: openssl rand -base64 32'
const invalidOptions = 'FST_MCP_OAUTH_INVALID_OPTIONS'

/** The lines of an error: its list, or its sentence. */
function linesOf (error: unknown): string[] {
  const { message } = error as Error
  const [sentence = '', ...list] = message.split('\n  - ')
  return list.length > 0 ? list : [sentence.split('\n', 1)[0] ?? '']
}

/** Calls a function that throws. */
function calling (call: () => unknown) {
  return async () => {
    try {
      await call()
    } catch (error) {
      return linesOf(error)
    }
    return []
  }
}

/** Registers the plugin in an app, and starts it. Returns the error. */
function starting (
  options: Options,
  { production = false, use = () => {}, listen = false }: {
    production?: boolean
    use?: (app: FastifyInstance) => unknown
    listen?: boolean
  } = {}
) {
  return async ({ t }: Bench) => {
    const { NODE_ENV: before } = process.env
    const app = loggingApp([])
    t.after(() => app.close())
    try {
      if (production) process.env['NODE_ENV'] = 'production'
      await app.register(mcpOAuth, options as object)
      await use(app)
      await (listen ? app.listen({ host: '0.0.0.0', port: 0 }) : app.ready())
      return []
    } catch (error) {
      return linesOf(error)
    } finally {
      if (production) delete process.env['NODE_ENV']
      if (before !== undefined) process.env['NODE_ENV'] = before
    }
  }
}

interface Line {
  level: number
  plugin?: string
  msg: string
  reason?: string
  err?: LoggedError
}
interface LoggedError {
  message: string
  cause?: LoggedError
}

const parsed = (logs: readonly string[]) =>
  logs.map(line => JSON.parse(line) as Line).filter(({ plugin }) => plugin !== undefined)

/** Starts an app that works. Returns its warnings and errors. */
function warning (options: Options, use: (app: FastifyInstance) => unknown = () => {}) {
  return async ({ t }: Bench) => {
    const logs: string[] = []
    const app = loggingApp(logs, { requestTimeout: 30_000 })
    t.after(() => app.close())
    await app.register(mcpOAuth, options as object)
    await use(app)
    await app.listen({ host: '127.0.0.1', port: 0 })
    const isDone = () => parsed(logs).some(({ level }) => level >= 40)
    for (let attempt = 0; attempt < 10_000 && !isDone(); attempt++) await turn()
    return parsed(logs).filter(({ level }) => level >= 40).map(readable)
  }
}

/** A line with the cause of its error that explains most. */
function readable ({ msg, reason, err }: Line) {
  let last = err
  while (last?.cause && /^(?:The|Access)/.test(last.message)) last = last.cause
  return [msg.replace(/\.?$/, '.'), reason ?? last?.message].filter(Boolean).join(' ')
}

/** Calls the guarded MCP route. Returns the reason in the log. */
function rejecting (token: (server: GuardedApp) => Promise<string> | string) {
  return async ({ guarded, logs }: Bench) => {
    const from = logs.length
    await guarded.call(await token(guarded))
    return reasonsIn(logs.slice(from))
  }
}

const reasonsIn = (logs: readonly string[]) =>
  parsed(logs).filter(({ level }) => level === 30).map(({ msg, reason }) => reason ?? msg)

/** Starts an app with a log, and a function that calls its MCP route. */
async function startLogged (t: TestContext, options: Options) {
  const logs: string[] = []
  const app = loggingApp(logs)
  t.after(() => app.close())
  await app.register(mcpOAuth, { mcp: { server: whoami() }, ...options } as object)
  await app.ready()
  const call = async (token: string) =>
    await app.inject({ method: 'POST', url: '/mcp', headers: { authorization: `Bearer ${token}` } })
  return { app, logs, call }
}

/** Sends a request to the guarded server. Returns the description of the error. */
function requesting (path: string, headers: Record<string, string> = {}, body = '{}') {
  return async ({ guarded }: Bench) => {
    const response = await sendRequest(
      guarded.origin + path,
      json(body, { accept: 'application/json, text/event-stream', ...headers })
    )
    const { error_description: text, message } = await response.json() as Record<string, string>
    return [`${response.status} ${text ?? message}`]
  }
}

const now = () => Math.floor(Date.now() / 1000)

/** Logs in while the provider misbehaves. Returns the lines of the log. */
function loggingIn (change: (flow: Flow) => unknown) {
  return async ({ t }: Bench) => {
    // Of its own: while a provider fails, the log has no second line about it.
    const flow = await startFlow(t)
    change(flow)
    const id = await flow.register()
    const code = await flow.login(id)
    const from = flow.logs.length
    await flow.token(redeem(id, code))
    return parsed(flow.logs.slice(from)).filter(({ level }) => level >= 50)
      .map(line => readable(line).replaceAll(flow.provider.issuer, '{provider}'))
  }
}

const withClaims = (claims: object) =>
  loggingIn(({ provider }) => {
    provider.claims = { ...claims }
  })
const withAnswer = (status: number, error: string) =>
  loggingIn(({ provider }) => {
    provider.fail.set('/token', { status, body: JSON.stringify({ error }) })
  })

/** Sends a request to the broker. Returns the sentence for users or clients. */
function asking (request: (flow: Flow) => Promise<{ text: string }>) {
  return async ({ flow }: Bench) => {
    const { text } = await request(flow)
    const [title, ...sentences] = [...text.matchAll(/<(?:h1|p)[^>]*>([^<]+)</g)]
      .map(([, sentence]) => sentence)
    const page = title && `${title}: ${sentences.slice(0, 2).join(' ')}`
    return [page || (JSON.parse(text) as Record<string, string>)['error_description'] || '']
  }
}

/** A mistake in the options of the plugin. */
const option = (title: string, options: Options, ...reads: string[]): Mistake => ({
  title,
  plant: starting(options),
  reads,
  row: invalidOptions
})
/** A mistake in the options of the plugin in production. */
const inProduction = (title: string, options: Options, ...reads: string[]): Mistake => ({
  title,
  plant: starting(options, { production: true }),
  reads,
  row: invalidOptions
})
/** A mistake in the arguments of a function. */
const argument = (title: string, call: () => unknown, ...reads: string[]): Mistake => ({
  title,
  plant: calling(call),
  reads,
  row: invalidOptions
})
/** An access token that is refused. */
const token = (
  title: string,
  row: string,
  create: (server: GuardedApp) => Promise<string> | string,
  ...reads: string[]
): Mistake => ({ title, plant: rejecting(create), reads, row })

const unknownName = (name: string, advice: string): Mistake =>
  option(
    `the option is called ${name}`,
    { issuer, [name]: 'x' },
    `${name}: there is no such option. ${advice}.`.replace('?.', '?')
  )
const call = presets as unknown as Record<string, (...given: unknown[]) => unknown>
const path = (example: string) =>
  `Give a path such as '${example}', without a slash at its end, query, parameter or wildcard.`
const startAgain = 'Close this window and start again from the application that opened it. ' +
  'If it happens again, remove the connection there and add it again.'
const fault = 'Logins or tokens fail because of the provider. ' +
  'Read the reason: it names the fault or setting. '

const mistakes: Mistake[] = [
  // Names
  unknownName('issuerUrl', 'Did you mean issuer?'),
  unknownName('issuerBaseURL', 'Did you mean issuer?'),
  unknownName('clientID', 'Did you mean clientId?'),
  unknownName('client_secret', 'Did you mean clientSecret?'),
  unknownName('scope', 'Did you mean defaultScope, for the provider, or scopes, of this server?'),
  unknownName('redirectUri', 'Set publicUrl: its path is /oauth/callback'),
  unknownName('callbackURL', 'Set publicUrl: its path is /oauth/callback'),
  unknownName('baseUrl', 'Did you mean publicUrl?'),
  unknownName('resourceServerUrl', 'Did you mean publicUrl?'),
  unknownName('authorizationURL', 'Did you mean authorizeUrl?'),
  unknownName('tokenURL', 'Did you mean oauthMetadataUrl?'),
  unknownName('sessionSecret', 'Did you mean secret?'),
  unknownName('domain', 'It belongs to a preset: ...auth0({ domain })'),
  unknownName('realm', 'It belongs to a preset: ...auth0({ domain })'),
  unknownName('jwksUri', 'It belongs to a verifier: tokens: jwtVerifier({ … })'),
  unknownName('cors', 'Did you mean allowedOrigins?'),
  unknownName('redis', 'Did you mean store?'),
  unknownName('verifyAccessToken', 'Did you mean tokens?'),
  unknownName('accessTokenTtl', 'Did you mean lifetimes.access?'),
  unknownName('tools', 'Did you mean mcp.tools?'),
  unknownName('logger', 'See docs/options.md for those there are'),
  option(
    'the schema of another language names an option of a client',
    { ...proxies, clients: [{ clientId: 'a', redirect_uris: ['https://a.example/cb'] }] },
    'clients.0.redirect_uris: there is no such option. Did you mean clients.redirectUris?'
  ),

  // Missing and empty values
  option(
    'no option says who may call',
    {},
    'issuer, tokens or dependencies: nothing would check the callers. ' +
      'Give one of them, or set auth: false for a server without any checks.'
  ),
  option(
    'the environment variable of issuer is mistyped',
    { issuer: undefined },
    `issuer: ${isUnset} Without it, nothing would check the callers. ` +
      'Give one of them, or set auth: false for a server without any checks.'
  ),
  option(
    'the environment variables of the provider are mistyped',
    { ...proxies, issuer: undefined, clientId: undefined, clientSecret: undefined },
    `clientSecret: ${isUnset} Leave it out if it is not needed.`,
    `clientId: ${isUnset} It is required with setupProxies. Take it from your provider.`,
    `issuer: ${isUnset} It is required with setupProxies. Take it from your provider.`
  ),
  option(
    'the broker has no client id',
    { issuer, setupProxies: true },
    'clientId: missing, required with setupProxies. Take it from your provider.'
  ),
  option(
    'a template has made a text of an unset variable',
    { ...proxies, clientId: `${process.env['UNSET_CLIENT_ID']}` },
    'clientId: "undefined" stands for a missing value. Is the environment variable set?'
  ),
  option(
    'a placeholder was not replaced',
    { ...proxies, clientSecret: '$' + '{CLIENT_SECRET}' },
    'clientSecret: a string of 16 characters stands for a missing value. ' +
      'Is the environment variable set?'
  ),
  option(
    'the client secret comes from a file that ends with a line feed',
    { ...proxies, clientSecret: 'canary-1\n' },
    'clientSecret: a string of 9 characters begins or ends with white space. Remove that.'
  ),
  option(
    'the client secret is empty',
    { ...proxies, clientSecret: '' },
    'clientSecret: an empty string is given. Give a string that is not empty.'
  ),
  option('issuer is null', { issuer: null }, 'issuer: null is given. Give a URL.'),

  // URLs
  option(
    'issuer has no scheme',
    { issuer: 'id.example' },
    'issuer: "id.example" is given. It must be an absolute http or https URL.'
  ),
  option(
    'issuer is http',
    { issuer: 'http://keycloak:8080/realms/main' },
    'issuer: "http://keycloak:8080/realms/main" is given. ' +
      'It must use https (http is for loopback only).'
  ),
  option(
    'issuer is the URL of the metadata',
    { issuer: `${issuer}/.well-known/openid-configuration` },
    `issuer: "${issuer}/.well-known/openid-configuration" is the URL of a metadata document. ` +
      'Give the issuer that the document names.'
  ),
  option(
    'issuer has a blank',
    { issuer: `${issuer} ` },
    `issuer: "${issuer} " is given. It must not contain spaces, quotes or control characters.`
  ),
  option(
    'publicUrl is a host name',
    { issuer, publicUrl: 'mcp.example.com' },
    'publicUrl: "mcp.example.com" is given. It must be an absolute http or https URL.'
  ),
  option(
    'publicUrl is not set',
    { issuer, publicUrl: undefined },
    `publicUrl: ${isUnset} Leave it out if it is not needed.`
  ),
  {
    title: 'publicUrl ends with the path of the MCP route',
    plant: warning({ ...proxies, publicUrl: 'https://mcp.example.com/mcp', tokens: pass }),
    reads: [
      'Option publicUrl ends with /mcp, the path of the MCP route: give the address of the app.'
    ],
    row: 'http: or an inner name in the header'
  },
  {
    title: 'publicUrl is missing where everybody can connect',
    plant: starting({ issuer, tokens: pass }, { listen: true }),
    reads: [
      'publicUrl: missing, and the app listens on 0.0.0.0. Set publicUrl to the address ' +
      "clients use ('https://mcp.example.com'), or listen on 127.0.0.1."
    ],
    row: 'FST_MCP_OAUTH_PUBLIC_URL_REQUIRED'
  },
  option(
    'oauthMetadataUrl is a path',
    { issuer, oauthMetadataUrl: '/.well-known/openid-configuration' },
    'oauthMetadataUrl: "/.well-known/openid-configuration" is given. ' +
      'It must be an absolute http or https URL.'
  ),

  // Paths
  option(
    'prefix has no slash',
    { issuer, prefix: 'api' },
    `prefix: "api" is given. ${path('/api')}`
  ),
  option(
    'prefix ends with a slash',
    { issuer, prefix: '/api/' },
    `prefix: "/api/" is given. ${path('/api')}`
  ),
  option(
    'mcp.path has no slash',
    { issuer, mcp: { path: 'mcp' } },
    `mcp.path: "mcp" is given. ${path('/mcp')}`
  ),
  option('mcp is a path', { issuer, mcp: '/mcp' }, 'mcp: "/mcp" is given. Give an object.'),

  // Types
  option(
    'setupProxies is a text',
    { ...proxies, setupProxies: 'true' },
    'setupProxies: "true" is given. Give true or false.'
  ),
  option(
    'auth is true',
    { issuer, auth: true },
    'auth: can only be false, which switches all checks off. Leave it out to have callers checked.'
  ),
  option(
    'dpop is true',
    { issuer, dpop: true },
    "dpop: true is given. Give 'off' or 'accept' or 'require'."
  ),
  option(
    'version is older than OAuth in MCP',
    { issuer, version: '2024-11-05' },
    "version: \"2024-11-05\" is given. Give '2025-03-26' or '2025-06-18' or '2025-11-25' or " +
      "'2026-07-28'."
  ),
  option(
    'a map is given for an object',
    { issuer, scopeHierarchy: new Map([['admin', ['read']]]) },
    'scopeHierarchy: an object (Map) is given. Give an object.'
  ),
  option(
    'a date is given for an object',
    { ...proxies, lifetimes: new Date() },
    'lifetimes: an object (Date) is given. Give an object.'
  ),
  option(
    'the bytes of a secret are given',
    { ...proxies, secret: randomBytes(32) },
    'secret: an object (Uint8Array) is given. Give a string of at least 32 characters or ' +
      'a list that is not empty, each entry a string of at least 32 characters.'
  ),
  option(
    'the result of a promise is not awaited',
    { issuer, mcp: Promise.resolve({}) },
    'mcp: an object (Promise) is given. Give an object.'
  ),
  option(
    'tokens is the name of a format',
    { issuer, tokens: 'jwt' },
    "tokens: a string of 3 characters is given. Give 'auto' or false or a function or " +
      'a list that is not empty, each entry a function.'
  ),
  option(
    'consent is switched off',
    { ...proxies, consent: false },
    "consent: false is given. Give an object such as { name: 'Notes' }: the consent page cannot " +
      "be switched off, as any client could use another one's login then."
  ),

  // Lifetimes
  option(
    'a lifetime is in milliseconds',
    { ...proxies, lifetimes: { access: 3_600_000 } },
    'lifetimes.access: 3600000 is given. Give 60 to 86400 seconds.'
  ),
  option(
    'a lifetime has a unit',
    { ...proxies, lifetimes: { access: '1h' } },
    'lifetimes.access: "1h" is given. Give 60 to 86400 seconds.'
  ),
  option(
    'closeTimeout is in milliseconds',
    { issuer, closeTimeout: 10_000 },
    'closeTimeout: 10000 is given. Give 0 to 3600 seconds.'
  ),
  option(
    'idle refresh tokens end before access tokens',
    { ...proxies, lifetimes: { refreshIdle: 600 } },
    'lifetimes.refreshIdle: 600 seconds are shorter than lifetimes.access, which is 3600. ' +
      'Change one of the two.'
  ),

  // Scopes
  option(
    'scopes are separated by spaces',
    { issuer, scopes: 'read write' },
    'scopes: "read write" is given. Give a list, each entry a string that is not empty.'
  ),
  option(
    'an entry has two scopes',
    { issuer, requiredScopes: ['read write'] },
    'requiredScopes.0: "read write" is not one scope (RFC 6749, section 3.3). ' +
      'Give each its own entry.'
  ),
  option(
    'defaultScope is a list',
    { issuer, defaultScope: ['openid'] },
    'defaultScope: a list is given. Give a string.'
  ),
  option(
    'defaultScope has commas and quotes',
    { issuer, defaultScope: '"openid", "email"' },
    'defaultScope: "\\"openid\\", \\"email\\"" is not a list of scopes. Separate them by spaces.'
  ),
  option(
    'the resource requires offline_access',
    { issuer, requiredScopes: ['offline_access'] },
    'requiredScopes: offline_access asks for a refresh token, so no resource can require it. ' +
      'Remove it.'
  ),

  // Secrets and stores
  option(
    'the secret is short',
    { ...proxies, secret: 'short' },
    'secret: a string of 5 characters is given. Give a string of at least 32 characters or ' +
      'a list that is not empty, each entry a string of at least 32 characters.'
  ),
  inProduction(
    'the secret repeats itself in production [field:A15]',
    { ...proxies, secret: 'a'.repeat(32) },
    `secret: repeats itself or is a sequence, so it can be guessed. ${generate}.`
  ),
  inProduction(
    'the secret is not set in production',
    { ...proxies, secret: undefined },
    `secret: ${isUnset} It is required when NODE_ENV is production. ${generate}.`
  ),
  inProduction(
    'the secret is missing in production',
    proxies,
    `secret: missing, required when NODE_ENV is production. ${generate}.`
  ),
  option(
    'a store is shared, and no secret is',
    { ...proxies, store: memoryStore() },
    `secret: missing, required with store, as all instances must share it. ${generate}.`
  ),
  option(
    'the client of Redis is given as the store',
    { ...proxies, secret, store: { get: pass, set: pass } },
    'store: an object is given. ' +
      'Give redisStore(client) or an object with the methods putIfAbsent, get, put.'
  ),
  option(
    'the URL of Redis is given as the store',
    { ...proxies, secret, store: 'redis://localhost' },
    'store: "redis://localhost" is given. ' +
      'Give redisStore(client) or an object with the methods putIfAbsent, get, put.'
  ),
  ...[['a URL', 'redis://localhost'], ['a client of node-redis', {
    isOpen: true,
    get: pass,
    set: pass
  }]]
    .map(([kind, client]) =>
      argument(
        `redisStore gets ${kind}`,
        () => redisStore(client as never),
        'redisStore: is not given a client of ioredis or iovalkey. Give new Redis(url).'
      )
    ),

  // Lists
  option(
    'every origin is allowed',
    { issuer, allowedOrigins: ['*'] },
    'allowedOrigins.0: "*" is not an origin. ' +
      "Give scheme, host and optional port, as in 'https://app.example.com'."
  ),
  option(
    'an origin ends with a slash',
    { issuer, allowedOrigins: ['https://app.example/'] },
    'allowedOrigins.0: "https://app.example/" is not an origin. ' +
      "Give scheme, host and optional port, as in 'https://app.example.com'."
  ),
  option(
    'a host has a scheme',
    { issuer, allowedHosts: ['https://mcp.example'] },
    'allowedHosts.0: "https://mcp.example" is not a host name. ' +
      "Give one with an optional port, as in 'mcp.example.com'."
  ),
  option(
    'every redirect URI is allowed',
    { ...proxies, allowedRedirectUris: ['*'] },
    'allowedRedirectUris.0: "*" must begin with a scheme in lower case. ' +
      "For every https URI give 'https:'."
  ),
  option(
    'a redirect URI is http',
    { ...proxies, allowedRedirectUris: ['http://app.example/cb'] },
    'allowedRedirectUris.0: "http://app.example/cb" must use https (http is for loopback only). ' +
      'Give a URI as clients register it.'
  ),

  // Contradictions
  option(
    'a dependency takes a callback',
    { dependencies: [(_request: unknown, _reply: unknown, _done: unknown) => {}] },
    'dependencies.0: takes 3 arguments instead of (request, reply). ' +
      'Return a promise instead of calling done.'
  ),
  option(
    'a check is given beside auth: false',
    { auth: false, requiredScopes: ['read'] },
    'auth: false switches all checks off, yet requiredScopes is given. Remove one of the two.'
  ),
  option(
    'a card for a server whose name and version are not known',
    { issuer, mcp: { server: whoami(), card: true } },
    'mcp.card.name: missing, required without mcp.tools. Give that of your server.',
    'mcp.card.version: missing, required without mcp.tools. Give that of your server.'
  ),
  option(
    'a card with malformed members',
    {
      issuer,
      mcp: {
        tools: true,
        card: {
          name: 'Notes',
          description: 'x'.repeat(101),
          version: '^1.0.0',
          icons: [{ src: 'javascript:1' }]
        }
      }
    },
    'mcp.card.name: "Notes" is no name in reverse-DNS format. ' +
      "Give one such as 'com.example/notes'.",
    `mcp.card.description: "${'x'.repeat(101)}" must have at most 100 characters. Shorten it.`,
    'mcp.card.version: "^1.0.0" is a range. ' +
      "Give one version such as '1.2.0'.",
    'mcp.card.icons.0.src: "javascript:1" is no URL of an image. Give one with https: or data:image/.'
  ),
  option(
    'exchange has no API',
    { ...proxies, exchange: {} },
    'exchange: names no API. Give one, such as { calendar: { audience } }.'
  ),
  option(
    'exchange without access tokens of a provider',
    { dependencies: [pass], exchange: { calendar: { audience: 'c', clientId: 'x' } } },
    'exchange: callers have no token of a provider here. Give issuer, and let it or tokens ' +
      'verify access tokens, or remove exchange.'
  ),
  option(
    'exchange beside dependencies that check the callers',
    { issuer, dependencies: [pass], exchange: { calendar: { audience: 'c', clientId: 'x' } } },
    'exchange: callers have no token of a provider here. Give issuer, and let it or tokens ' +
      'verify access tokens, or remove exchange.'
  ),
  option(
    'exchange at another token endpoint without an account there',
    { ...proxies, exchange: { calendar: { audience: 'c', tokenEndpoint: 'https://sts.example' } } },
    'exchange.calendar.clientId: missing, required with tokenEndpoint, which never gets the ' +
      'credentials at the provider. Give the client id that this server has there.'
  ),
  option(
    'exchange without any client id',
    { issuer, exchange: { calendar: { audience: 'c' } } },
    'exchange.calendar.clientId: missing, as the option clientId is. Give one of the two.'
  ),
  option(
    'a secret of exchange without its client id',
    { ...proxies, exchange: { calendar: { audience: 'c', clientSecret: 'canary-2' } } },
    'exchange.calendar.clientSecret: has no effect without clientId beside it. ' +
      'Add that, or remove it.'
  ),
  option(
    'a secret of exchange whose environment variable is not set',
    {
      ...proxies,
      exchange: { calendar: { audience: 'c', clientId: 'x', clientSecret: undefined } }
    },
    `exchange.calendar.clientSecret: ${isUnset} Leave it out if it is not needed.`
  ),
  option(
    'on-behalf-of without a secret, scopes, and with an audience',
    {
      issuer,
      exchange: { calendar: { grant: 'on-behalf-of', audience: 'c', clientId: 'x' } }
    },
    'exchange.calendar.clientSecret: missing, required with on-behalf-of. ' +
      'Give the secret of this server.',
    'exchange.calendar.scopes: missing, required with on-behalf-of. ' +
      "Give those of the API, such as 'api://calendar/.default'.",
    'exchange.calendar.audience: has no effect with on-behalf-of, where scopes name the API. ' +
      'Remove it.'
  ),
  option(
    'exchange that does not say for which API',
    { ...proxies, exchange: { calendar: {} } },
    'exchange.calendar: names no API. Give audience, resource or scopes.'
  ),
  option(
    'a member of exchange is misspelled',
    { ...proxies, exchange: { calendar: { audience: 'c', scope: 'a' } } },
    'exchange.calendar.scope: there is no such option. Did you mean scopes?'
  ),
  option(
    'an option of the broker is given without it',
    { issuer, authorizeUser: () => true },
    'authorizeUser: has no effect without the broker. Set setupProxies: true, or remove it.'
  ),
  option(
    'two servers are behind one route',
    { issuer, mcp: { server: whoami(), tools: true } },
    'mcp: server and tools are given, but one of them serves the MCP route. Keep one.'
  ),
  option(
    'tools have scopes, but there is no server',
    { issuer, mcp: { toolScopes: { a: ['b'] } } },
    'mcp.toolScopes: has no effect without server, handler or tools. Give one of them, or guard ' +
      'your own route with requireMcpAuth({ scopes }).'
  ),
  option(
    'audience is given beside a verifier',
    { audience: 'https://api.example', tokens: pass },
    'audience: has no effect beside tokens. Give it to the verifier: jwtVerifier({ issuer, audience }).'
  ),
  option(
    'a handler is the factory that makes it',
    { issuer, mcp: { handler: () => {} } },
    'mcp.handler: a function is given. Give an object with the methods fetch.'
  ),

  // Presets and verifiers
  argument(
    'the domain of a preset is missing',
    () => call['auth0']?.({}),
    "auth0.domain: missing. Give a host name such as 'tenant.eu.auth0.com', in lower case, " +
      'without https:// and without a path.'
  ),
  argument(
    'the environment variable of a preset is mistyped',
    () => call['google']?.({ clientId: 'x', clientSecret: undefined }),
    `google.clientSecret: ${isUnset} Give a string that is not empty.`
  ),
  argument(
    'the domain of a preset is a URL',
    () => call['auth0']?.({ domain: 'https://tenant.auth0.com/' }),
    'auth0.domain: a string of 25 characters is given. Give a host name such as ' +
      "'tenant.eu.auth0.com', in lower case, without https:// and without a path."
  ),
  argument(
    'the realm is in the URL of Keycloak, too',
    () => call['keycloak']?.({ url: 'https://id.example/realms/main', realm: 'main' }),
    'keycloak.url: a string of 30 characters has the path of a realm. ' +
      'Give what comes before /realms, and the name as realm.'
  ),
  argument(
    'the tenant of Entra is common',
    () => call['entra']?.({ tenantId: 'common' }),
    "entra.tenantId: a string of 6 characters is given. Give the id of one tenant: 'common' lets " +
      'in users of every tenant, and their tokens come from as many issuers.'
  ),
  argument(
    'a setting of a preset has another name',
    () => call['auth0']?.({ domain: 'tenant.auth0.com', clientID: 'x' }),
    'auth0.clientID: there is no such option. Did you mean clientId?'
  ),
  argument(
    'the issuer of oidc() is the URL of the metadata',
    () => call['oidc']?.({ issuer: `${issuer}/.well-known/openid-configuration` }),
    'oidc.issuer: a string of 51 characters is the URL of a metadata document. ' +
      'Give the issuer that the document names.'
  ),
  argument(
    'jwtVerifier gets a URL',
    () => jwtVerifier(issuer as never),
    `jwtVerifier: "${issuer}" is given. Give an object.`
  ),
  argument(
    'an algorithm is symmetric',
    () => jwtVerifier({ issuer, algorithms: ['HS256'] }),
    'jwtVerifier.algorithms.0: "HS256" is given. Give one that is asymmetric: RS256, RS384, ' +
      'RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519, ML-DSA-44, ML-DSA-65, ' +
      'ML-DSA-87.'
  ),
  argument(
    'a tolerance is in milliseconds',
    () => jwtVerifier({ issuer, clockTolerance: 30_000 }),
    'jwtVerifier.clockTolerance: 30000 is given. Give 0 to 120 seconds.'
  ),
  argument(
    'introspection has no secret',
    () => introspectionVerifier({ issuer, clientId: 'x' }),
    'introspectionVerifier.clientSecret: missing, and so is privateKey. ' +
      'Set one: the issuer authenticates clients.'
  ),

  // Registrations and guards
  {
    title: 'the plugin is registered twice at one URL',
    plant: starting({ issuer, tokens: pass }, {
      use: app => app.register(mcpOAuth, { tokens: pass as never })
    }),
    reads: [
      'http://localhost/mcp is already protected by another registration. ' +
      'Give each registration its own prefix or mcp.path.'
    ],
    row: 'FST_MCP_OAUTH_DUPLICATE_REGISTRATION'
  },
  {
    title: 'a guard does not name its registration',
    plant: starting({ tokens: pass }, {
      use: async app => {
        await app.register(mcpOAuth, { tokens: pass as never, prefix: '/b' })
        app.requireMcpAuth()
      }
    }),
    reads: ["prefix: missing; this scope has '', '/b'. Use requireMcpAuth({ prefix })."],
    row: 'FST_MCP_OAUTH_AMBIGUOUS_REGISTRATION'
  },
  {
    title: 'requireMcpAuth is used as a hook',
    plant: async ({ guarded: { app } }) =>
      await calling(() =>
        (app.requireMcpAuth as (request: FastifyRequest, reply: FastifyReply) => unknown)(
          { raw: {} } as FastifyRequest,
          {} as FastifyReply
        )
      )(),
    reads: ['requireMcpAuth: is used as a hook. Call it to get a hook: requireMcpAuth().'],
    row: invalidOptions
  },
  {
    title: 'the registration is not awaited',
    plant: async ({ t }) => {
      const app = loggingApp([])
      t.after(() => app.close())
      app.register(mcpOAuth, { tokens: pass as never })
      return await calling(() => app.requireMcpAuth())()
    },
    reads: ['app.requireMcpAuth is not a function'],
    row: 'app.requireMcpAuth is not a function',
    remedy: 'docs'
  },
  {
    title: 'the plugin is registered once the app listens',
    plant: async ({ guarded: { app } }) =>
      await calling(() => app.register(mcpOAuth, { tokens: pass as never }))(),
    reads: ['Root plugin has already booted'],
    row: 'Root plugin has already booted',
    remedy: 'docs'
  },
  {
    title: 'Fastify is too old',
    plant: async ({ t }) => {
      const app = loggingApp([])
      t.after(() => app.close())
      Object.defineProperty(app, 'version', { value: '4.29.1' })
      return await calling(() => app.register(mcpOAuth, { tokens: pass as never }))()
    },
    reads: [
      "fastify-plugin: fastify-mcp-oauth - expected '^5.8.5 || ^6.0.0-0' fastify version, " +
      "'4.29.1' is installed"
    ],
    row: 'fastify-mcp-oauth - expected … fastify version',
    remedy: 'docs'
  }
]

const route = (app: FastifyInstance, url: string, more: object = {}) =>
  app.get(url, { onRequest: app.requireMcpAuth(), ...more }, async () => ({}))

/** Tools of routes that do not start. */
const tools = (
  title: string,
  mcp: Options,
  use: (app: FastifyInstance) => unknown,
  ...reads: string[]
): Mistake => ({
  title,
  plant: starting({ tokens: pass, mcp: { tools: true, ...mcp } }, { use }),
  reads,
  row: 'FST_MCP_OAUTH_INVALID_TOOLS'
})

mistakes.push(
  tools(
    'a filter names a tool that is not there',
    { tools: { includeOperations: ['listNotes'] } },
    app => route(app, '/notes'),
    'mcp.tools.includeOperations: no route has "listNotes". ' +
      'Correct it, or add the route after await app.register(mcpOAuth, …).'
  ),
  tools(
    'two routes give their tools one name',
    {},
    app => {
      route(app, '/a', { config: { mcp: { name: 'notes' } } })
      route(app, '/b', { config: { mcp: { name: 'notes' } } })
    },
    'GET /b: config.mcp.name "notes" is that of GET /a too. Rename one.'
  ),
  tools(
    'the scopes of a tool are a text',
    {},
    app => route(app, '/a', { config: { mcp: { scopes: 'read' } } }),
    'GET /a: config.mcp.scopes: "read" is given. ' +
      'Give a list, each entry a string that is not empty.'
  ),
  tools(
    'the scopes are those of a tool that is not there',
    { toolScopes: { deletNote: ['write'] } },
    app => route(app, '/notes', { schema: { operationId: 'deleteNote' } }),
    'mcp.toolScopes: no tool is named "deletNote". Use the name of a tool.'
  ),
  {
    title: 'a route is older than the plugin',
    plant: async ({ t }) => {
      const logs: string[] = []
      const app = loggingApp(logs, { requestTimeout: 30_000 })
      t.after(() => app.close())
      app.get('/old', async () => ({}))
      await app.register(mcpOAuth, { tokens: pass as never, mcp: { tools: true } })
      await app.ready()
      return parsed(logs).filter(({ level }) => level >= 40).map(readable)
    },
    reads: [
      'Routes added before await app.register(mcpOAuth, …) are no tools. Add them after it: GET /old.',
      'No route is a tool. Add routes after await app.register(mcpOAuth, …).'
    ],
    row: 'tools/list is empty'
  },
  {
    title: 'no route is marked',
    plant: warning(
      { tokens: pass, mcp: { tools: { select: 'marked' } } },
      app => route(app, '/notes')
    ),
    reads: [
      'No route is a tool. Add routes after await app.register(mcpOAuth, …), or mark them with ' +
      'config: { mcp: true }.'
    ],
    row: 'tools/list is empty'
  },
  {
    title: 'the route of a tool has no guard',
    plant: warning({ tokens: pass, mcp: { tools: true } }, app => {
      app.get('/open', async () => ({}))
    }),
    reads: [
      'Routes of tools have no guard over plain HTTP. Add onRequest: app.requireMcpAuth(), or set ' +
      'config.mcp.public: get_open (GET /open).'
    ],
    row: 'a line at warn'
  },
  {
    title: 'the schema of a route cannot be that of a tool',
    plant: warning(
      { tokens: pass, mcp: { tools: true } },
      app => {
        route(app, '/good')
        route(app, '/x', {
          schema: { querystring: { $ref: 'gone#' } },
          attachValidation: true,
          validatorCompiler: () => () => true
        })
      }
    ),
    reads: [
      'Routes cannot be tools (its querystring cannot be used: the reference "gone#" cannot be ' +
      'resolved). Mend them, or set config.mcp to false: GET /x.'
    ],
    row: 'one tool is missing'
  },
  {
    title: 'auth: false is left from a trial',
    plant: warning({ auth: false, mcp: { server: whoami() } }),
    reads: [
      'Option auth is false: every caller who reaches this server may use its MCP route. ' +
      'Remove it unless that is meant.'
    ],
    row: '400 or 200'
  },
  {
    title: 'the client secret has no use',
    plant: warning({ issuer, tokens: pass, clientSecret: 'canary-1' }),
    reads: [
      'Option clientSecret has no effect without setupProxies: clients log in at the provider. ' +
      'Remove it.'
    ],
    row: 'a line at warn'
  },
  // Requests
  {
    title: 'a client calls the MCP route with a slash at its end',
    plant: requesting('/mcp/'),
    reads: ['404 Route POST:/mcp/ not found'],
    row: '404',
    remedy: 'docs'
  },
  {
    title: 'the reverse proxy replaces Host',
    plant: requesting('/mcp', { host: 'inner:8080' }),
    reads: ['403 This Host is not served here; the operator can list it in allowedHosts.'],
    row: '403'
  },
  {
    title: 'a web page of another origin calls',
    plant: requesting('/mcp', { origin: 'https://app.example' }),
    reads: ['403 This Origin is not allowed here; the operator can list it in allowedOrigins.'],
    row: '403'
  },
  {
    title: 'the reverse proxy removes Authorization',
    plant: rejecting(async () => undefined as never),
    reads: ['An access token is required.'],
    row: '"An access token is required", although sent',
    remedy: 'docs'
  },
  {
    title: 'no authorization server is configured',
    plant: async ({ t }) => {
      const app = loggingApp([])
      t.after(() => app.close())
      await app.register(mcpOAuth, { tokens: pass as never, mcp: { server: whoami() } })
      const { headers } = await app.inject({ method: 'POST', url: '/mcp' })
      return [String(headers['www-authenticate'])]
    },
    reads: ['Bearer'],
    row: 'no resource_metadata',
    remedy: 'docs'
  },
  {
    title: 'a body of four million brackets is sent [field:A15]',
    plant: async ({ guarded }) => {
      const response = await sendRequest(
        guarded.mcpUrl,
        json('['.repeat(4 * 1024 * 1024 - 1), { authorization: `Bearer ${await guarded.token()}` })
      )
      return [(await response.json() as { error: { message: string } }).error.message]
    },
    reads: ['The body is not valid JSON, or nested too deeply.'],
    row: 'FST_MCP_OAUTH_INVALID_REQUEST',
    remedy: 'docs'
  },
  // Access tokens
  token(
    'the audience is that of another API',
    'wrong audience',
    ({ token }) => token({ aud: 'https://api.example' }),
    'The access token was rejected: its audience is "https://api.example", not {mcp}. ' +
      'Let the provider issue tokens for that, or set audience'
  ),
  token(
    'the issuer differs by a slash',
    'wrong issuer',
    ({ token, issuer }) => token({ iss: `${issuer.issuer}/` }),
    'no verifier recognizes the access token: its issuer is "{issuer}/", and expected is {issuer}. ' +
      'Compare them byte by byte'
  ),
  token(
    'the provider issues opaque tokens',
    'no verifier recognizes the token',
    () => 'opaque',
    'no verifier recognizes the access token: it is opaque, or inactive. ' +
      'Use introspectionVerifier for opaque tokens of a provider, or the broker'
  ),
  token(
    'the provider has replaced its keys',
    'has published no key',
    ({ issuer, mcpUrl }) => issuer.mint({ aud: mcpUrl }, { header: { kid: 'old' } }),
    'The access token was rejected: {issuer} has published no key with its kid and alg. ' +
      'Log in again if the keys were replaced'
  ),
  {
    ...token(
      'the token has expired',
      'it expired',
      ({ token }) => token({ iat: now() - 200, exp: now() - 100 }),
      'The access token was rejected: it expired 100 s ago'
    ),
    remedy: 'docs'
  },
  token(
    'the clock is behind that of the provider',
    'the clocks differ',
    ({ token }) => token({ iat: now() + 1_000, exp: now() + 2_000 }),
    'The access token was rejected: it was issued 1000 s in the future: the clocks differ. ' +
      'Synchronize them'
  ),
  token(
    'tokens of the provider live for a week',
    'FST_MCP_OAUTH_INVALID_TOKEN',
    ({ token }) => token({ exp: now() + 7 * 86_400 }),
    'The access token was rejected: it is valid for more than 86400 s. Shorten that at the ' +
      'provider, or use tokens: jwtVerifier({ maxTokenLifetime })'
  ),
  {
    title: 'the audience is a client id',
    plant: async ({ guarded: { issuer }, t }) => {
      const { logs, call } = await startLogged(t, {
        tokens: jwtVerifier({ issuer: issuer.issuer, audience: 'client' })
      })
      await call(
        await issuer.mint({ aud: 'client', scope: undefined, client_id: undefined }, {
          header: { typ: 'JWT' }
        })
      )
      return reasonsIn(logs)
    },
    reads: [
      'The access token was rejected: it may be an ID token. ' +
      'Let the audience be that of an API, not a client id'
    ],
    row: 'wrong audience'
  },
  // Discovery
  ...([
    ['the provider does not listen', 'http://127.0.0.1:9', 'connect ECONNREFUSED 127.0.0.1:9'],
    [
      'issuer has a slash too many',
      '{issuer}/',
      'The metadata of the provider are invalid: issuer is "{issuer}", and the option issuer is ' +
      '"{issuer}/"'
    ],
    [
      'issuer is an endpoint of the provider',
      '{issuer}/authorize',
      '{issuer}/.well-known/oauth-authorization-server/authorize: the response has status 404; ' +
      '{issuer}/.well-known/openid-configuration/authorize: the response has status 404; ' +
      '{issuer}/authorize/.well-known/openid-configuration: the response has status 404'
    ]
  ] as const).map(([title, url, cause]): Mistake => ({
    title,
    plant: async bench =>
      await warning({ issuer: url.replace('{issuer}', bench.guarded.issuer.issuer) })(bench),
    reads: [
      fault + cause
    ],
    row: 'FST_MCP_OAUTH_PROVIDER_MISBEHAVED',
    remedy: 'docs'
  })),
  {
    title: 'the secret of introspection is wrong',
    plant: async bench => {
      const { origin, issuer } = bench.guarded.issuer
      const lines: string[] = []
      const { call } = await startLogged(bench.t, {
        tokens: introspectionVerifier({
          issuer,
          clientId: 'x',
          clientSecret: 'y',
          introspectionEndpoint: `${origin}/introspect`,
          log: loggingApp(lines).log
        })
      })
      await call('opaque')
      const logs = lines
      return parsed(logs).filter(({ level }) => level === 40).map(readable)
    },
    reads: [
      'Could not introspect an access token. Check clientId and its secret. ' +
      'unexpected HTTP response status code 404'
    ],
    row: 'FST_MCP_OAUTH_KEYS_UNAVAILABLE'
  },
  // Logins
  {
    title: 'the client is unknown',
    plant: asking(flow => flow.authorize(flow.params('unknown'))),
    reads: [
      'This application is not known here: It is not registered with this server, or its ' +
      'registration has expired. ' + startAgain
    ],
    row: 'one client is unknown'
  },
  {
    title: 'a client registers a redirect URI that is http',
    plant: asking(flow =>
      flow.send('/oauth/register', json({ redirect_uris: ['http://app.example/cb'] }))
    ),
    reads: ['A redirect URI must use https (http is for loopback only).'],
    row: 'FST_MCP_OAUTH_INVALID_REDIRECT_URI'
  },
  {
    title: 'the provider rejects the redirect URI',
    plant: asking(async flow =>
      await flow.send(
        '/oauth/callback?error=invalid_request&error_description=redirect_uri&state=x'
      )
    ),
    reads: ['This sign-in has expired, or was not started here.'],
    row: 'error page of the provider about the client or the redirect URI',
    remedy: 'docs'
  },
  {
    title: 'the client secret is wrong',
    plant: withAnswer(401, 'invalid_client'),
    reads: [
      fault +
      'the provider rejected our clientId ' +
      'and clientSecret: "401 invalid_client". Compare the settings at both: ' +
      'server responded with an error in the response body (OAUTH_RESPONSE_BODY_ERROR)'
    ],
    row: 'invalid_client of the provider in the log'
  },
  {
    title: 'the provider does not know a scope',
    plant: withAnswer(400, 'invalid_scope'),
    reads: [
      fault +
      'the provider rejected our ' +
      'defaultScope: "400 invalid_scope". Compare the settings at both: ' +
      'server responded with an error in the response body (OAUTH_RESPONSE_BODY_ERROR)'
    ],
    row: 'invalid_scope'
  },
  {
    title: 'the provider does not allow our grant type',
    plant: withAnswer(400, 'unauthorized_client'),
    reads: [
      fault +
      'the provider rejected our grant ' +
      'type: "400 unauthorized_client". Compare the settings at both: ' +
      'server responded with an error in the response body (OAUTH_RESPONSE_BODY_ERROR)'
    ],
    row: 'invalid_client of the provider in the log'
  },
  {
    title: 'the ID token has another issuer',
    plant: withClaims({ iss: 'https://other.example' }),
    reads: [
      fault +
      'iss of the ID token is ' +
      '"https://other.example", and ours "{provider}". Compare the option issuer with the settings at the provider: ' +
      'unexpected JWT "iss" (issuer) claim value (OAUTH_JWT_CLAIM_COMPARISON_FAILED)'
    ],
    row: 'wrong issuer'
  },
  {
    title: 'the ID token is for another client',
    plant: withClaims({ aud: 'other' }),
    reads: [
      fault +
      'aud of the ID token is "other", and ' +
      'ours "broker". Compare the option clientId with the settings at the provider: ' +
      'unexpected JWT "aud" (audience) claim value (OAUTH_JWT_CLAIM_COMPARISON_FAILED)'
    ],
    row: 'invalid_client of the provider in the log'
  },
  {
    title: 'the clock is ahead of that of the provider',
    plant: withClaims({ iat: now() - 7_200, exp: now() - 3_600 }),
    reads: [
      fault +
      'the clock of this server is 7200 s ahead of that of the provider. ' +
      'Synchronize them: JWT timestamp claim value failed validation ' +
      '(OAUTH_JWT_TIMESTAMP_CHECK_FAILED): unexpected JWT "exp" (expiration time) claim value, ' +
      'expiration is past current timestamp (OAUTH_JWT_TIMESTAMP_CHECK_FAILED)'
    ],
    row: 'the clocks differ'
  },
  {
    title: 'an instance has another secret',
    plant: async ({ flow }) => {
      const id = await flow.register()
      const other = await flow.addInstance({ secret })
      const from = flow.logs.length
      await other.authorize(flow.params(id))
      return parsed(flow.logs.slice(from)).filter(({ level }) => level === 40).map(readable)
    },
    reads: [
      'A value in the format of this server was sealed with none of its secrets: it is forged, ' +
      'another instance has a secret that is not listed here, or one was removed too early. Give ' +
      'all instances the same.'
    ],
    row: 'all clients are unknown after a restart'
  },
  {
    title: 'a refresh token is copied to another machine',
    plant: async ({ t }) => {
      const flow = await startFlow(t, { options: { refresh: { grace: 0 } } })
      const id = await flow.register()
      const first = (await flow.tokens(id))['refresh_token'] as string
      const second = (await flow.token(renew(id, first))).json()['refresh_token'] as string
      await flow.token(renew(id, second))
      const from = flow.logs.length
      await flow.token(renew(id, first))
      const lines = parsed(flow.logs.slice(from)).filter(({ level }) => level === 40)
      for (const line of lines) assert.ok('client' in line && 'grant' in line && 'address' in line)
      return lines.map(readable)
    },
    reads: [
      'A refresh token was used again long after it was replaced: it may be stolen. Ask the user ' +
      'whether the client is theirs. The refresh token was replaced long ago. It may be ' +
      'stolen, so the grant has ended'
    ],
    row: 'its grant has ended'
  },
  {
    title: 'the peer dependency is not installed',
    plant: async () => {
      const hook = 'export const resolve = async (name, context, next) => {' +
        "if (name.startsWith('@modelcontextprotocol/sdk')) return await next('@modelcontextprotocol/gone');" +
        'return await next(name, context) }'
      const program = `
        import { register } from 'node:module'
        register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}))
        const { default: Fastify } = await import('fastify')
        const { mcpOAuth } = await import('./lib/index.ts')
        const app = Fastify()
        await app.register(mcpOAuth, { auth: false, mcp: { tools: true } })
        await app.ready().catch(error => console.log(error.message.split(' imported')[0]))`
      const { stdout } = spawnSync(
        process.execPath,
        ['--import', 'tsx', '--input-type=module', '--eval', program],
        { cwd: root, encoding: 'utf8' }
      )
      return stdout.trim().replace('gone', 'sdk').split('\n')
    },
    reads: ["Cannot find package '@modelcontextprotocol/sdk'"],
    row: "Cannot find package '@modelcontextprotocol/sdk'",
    remedy: 'docs'
  }
)

mistakes.push(
  {
    title: 'the provider grants none of the scopes',
    plant: async ({ guarded: { issuer }, t }) => {
      const { app, logs, call } = await startLogged(t, {
        issuer: issuer.issuer,
        requiredScopes: ['notes']
      })
      await call(await issuer.mint({ aud: app.mcpOAuth.resource }))
      return reasonsIn(logs)
    },
    reads: ['The access token lacks a scope this request needs.'],
    row: '403 insufficient_scope',
    remedy: 'docs'
  },
  {
    title: 'a client sends bearer tokens where DPoP is required',
    plant: async ({ guarded: { issuer }, t }) => {
      const { app, logs, call } = await startLogged(t, { issuer: issuer.issuer, dpop: 'require' })
      await call(await issuer.mint({ aud: app.mcpOAuth.resource }))
      return reasonsIn(logs)
    },
    reads: [
      "a token has the scheme Bearer, which the option dpop ('require') rejects"
    ],
    row: '401 with invalid_dpop_proof',
    remedy: 'docs'
  },
  {
    title: 'the metadata document of a client cannot be fetched',
    plant: async ({ flow }) => {
      const from = flow.logs.length
      await flow.authorize(flow.params('https://127.0.0.1/client.json'))
      return parsed(flow.logs.slice(from)).map(readable)
    },
    reads: [
      'The client is unknown or could not be authenticated. ' +
      'clientIdMetadata does not accept the client id: "https://127.0.0.1/client.json"'
    ],
    row: 'the id is a URL',
    remedy: 'docs'
  },
  {
    title: 'the secret of a machine is wrong',
    plant: async ({ t }) => {
      const flow = await startFlow(t, {
        options: {
          clients: [{
            clientId: 'job',
            secretHashes: [`sha256:${'x'.repeat(43)}`],
            grantTypes: ['client_credentials']
          }]
        }
      })
      const from = flow.logs.length
      await flow.token({
        grant_type: 'client_credentials',
        client_id: 'job',
        client_secret: 'canary-wrong'
      })
      return reasonsIn(flow.logs.slice(from).filter(line => line.includes('reason')))
    },
    reads: [
      'The client "job" sent a wrong secret'
    ],
    row: 'a [machine](machine-clients.md) is refused',
    remedy: 'docs'
  },
  {
    title: 'render of the consent page throws',
    plant: async ({ t }) => {
      const flow = await startFlow(t, {
        options: {
          consent: {
            render: () => {
              throw new Error('no template')
            }
          }
        }
      })
      const id = await flow.register()
      const from = flow.logs.length
      await flow.authorize(flow.params(id))
      return parsed(flow.logs.slice(from)).filter(({ level }) => level === 50).map(readable)
    },
    reads: [
      'The server failed to process this request. no template'
    ],
    row: '"Sign-in failed on the server"',
    remedy: 'docs'
  },
  {
    title: 'authorizeUser refuses every user',
    plant: async ({ t }) => {
      const flow = await startFlow(t, { options: { authorizeUser: () => false } })
      const id = await flow.register()
      const code = await flow.login(id)
      const from = flow.logs.length
      await flow.token(redeem(id, code))
      return reasonsIn(flow.logs.slice(from))
    },
    reads: [
      'authorizeUser denied a user with the claims: "sub iss aud iat exp nonce email"'
    ],
    row: 'access_denied',
    remedy: 'docs'
  },
  {
    title: 'the cookie of the login was not sent',
    plant: asking(async flow => {
      const id = await flow.register()
      const request = await flow.form(openBrowser(), flow.params(id))
      return await openBrowser().post(flow, '/oauth/consent', { request, action: 'approve' })
    }),
    reads: [
      'This page belongs to another browser: For your security, only the browser that opened the ' +
      'page can answer it. ' + startAgain
    ],
    row: '"not opened in this browser", "started in another browser"',
    remedy: 'docs'
  },
  {
    title: 'two instances with one store have different secrets',
    plant: async ({ t }) => {
      const store = memoryStore()
      const flow = await startFlow(t, { options: { store } })
      const from = flow.logs.length
      await flow.addInstance({ secret })
      return parsed(flow.logs.slice(from)).filter(({ level }) => level === 50).map(readable)
    },
    reads: [
      'The instance that used this store last had none of the secrets given here: values of one ' +
      'are invalid at the other. Give all the same secret. To replace it, list both first: ' +
      "['old', 'new']."
    ],
    row: 'the login fails at random'
  },
  {
    title: 'a client falls back to HTTP with SSE',
    plant: async ({ guarded }) => {
      const response = await sendRequest(guarded.mcpUrl, {
        headers: { authorization: `Bearer ${await guarded.token()}`, accept: 'text/event-stream' }
      })
      return [`${response.status} ${(await response.text())}`]
    },
    reads: [
      '405 {"error":"invalid_request","error_description":"This method is not allowed here."}'
    ],
    row: 'the client reports 405 or an SSE error',
    remedy: 'docs'
  },
  {
    title: 'the redirect URI of a client is another than it registered',
    plant: asking(async flow => {
      const id = await flow.register()
      return await flow.authorize(flow.params(id, { redirect_uri: 'https://app.example/other' }))
    }),
    reads: [
      'The return address is not allowed: The application wants to receive the access at an ' +
      'address that is not registered for it. ' + startAgain
    ],
    row: 'an error page'
  },
  {
    title: 'the guard of a tool refuses access tokens',
    plant: async ({ guarded: { issuer }, t }) => {
      const logs: string[] = []
      const app = loggingApp(logs)
      t.after(() => app.close())
      await app.register(mcpOAuth, { issuer: issuer.issuer, mcp: { tools: true } })
      app.get('/notes', {
        onRequest: async (_request, reply) => await reply.code(401).send({ error: 'no session' })
      }, async () => [])
      await app.ready()
      const { body } = await app.inject({
        method: 'POST',
        url: '/mcp',
        headers: {
          authorization: `Bearer ${await issuer.mint({ aud: app.mcpOAuth.resource })}`,
          accept: 'application/json, text/event-stream'
        },
        payload: {
          jsonrpc: '2.0',
          id: 1,
          method: 'tools/call',
          params: { name: 'get_notes', arguments: {} }
        }
      })
      return [JSON.parse(body).result.content[0].text]
    },
    reads: [
      'HTTP 401: no session'
    ],
    row: 'a tool returns HTTP 401',
    remedy: 'docs'
  }
)

/** Symptoms that other tests plant, as they need a browser, a proxy or a restart. */
const plantedElsewhere: Record<string, string> = {
  '"Sign-in is not possible at the moment"': 'broker/outages',
  'Allow ignores clicks': 'pages/consent',
  '"This page has expired"': 'broker/consent',
  'the window of a web client seems closed, and the login never comes back': 'integration/browser',
  'users log in again every hour': 'broker/offline',
  'users log in again after a deployment': 'integration/restart',
  'revoked tokens still work': 'broker/revocation',
  'calls end with 503 during a deployment': 'mcp/closing'
}

test('each mistake is answered with a sentence that has subject, cause and remedy', async t => {
  const logs: string[] = []
  const guarded = await startGuarded(t, {}, { app: loggingApp(logs) })
  const flow = await startFlow(t)
  const titles = mistakes.map(({ title }) => title)
  assert.deepEqual(titles, [...new Set(titles)])
  assert.ok(mistakes.length >= 60, String(mistakes.length))
  for (const { title, plant, reads, remedy } of mistakes) {
    await t.test(title, async t => {
      const read = await plant({ guarded, flow, logs, t })
      const named = read.map(line =>
        line.replaceAll(guarded.mcpUrl, '{mcp}').replaceAll(guarded.issuer.issuer, '{issuer}')
          // Files are bundled, and equal names in them told apart.
          .replace(/^app\d+\./, 'app.')
          // Some time has passed.
          .replace(/\d+(?= s\b)/, seconds => String(Math.round(Number(seconds) / 100) * 100))
      )
      assert.deepEqual(named, reads)
      if (!remedy) { for (const sentence of reads) assert.deepEqual(lacking(sentence), []) }
    })
  }
})

/** Options, functions, parts of OAuth and of HTTP that a sentence may be about. */
const subjects = new RegExp(
  `\\b(?:${[...optionNames, ...Object.keys(presets)].join('|')})\\b|https?://|\\b(?:GET|POST) /|` +
    '^\\w+: there is no such|requireMcpAuth|jwtVerifier|introspectionVerifier|redisStore|' +
    'access token|refresh token|ID token|redirect URI|return address|application|[Cc]lient|Host|Origin|clock|body|' +
    'identity provider|\\{\\w+\\}|[Rr]oute|[Tt]ools?'
)
/** The value that was found, or the relation that is wrong. */
const causes = new RegExp(
  '\\b(?:is|are|cannot|missing|has|have|had|must|contradicts|lacks|takes|nothing would|repeats|begins|stands|needs|' +
    'switches|rejected|differ|asks|can only|Could not|no|not|ends)\\b'
)
/** What to do about it. */
const remedies = new RegExp(
  '\\b(?:Give|Set|Remove|Leave|Take|Keep|Change|Return|Separate|Use|Call|Did you mean|See|Add|' +
    'Correct|Rename|Compare|Check|Let the|Log in|Synchronize|Shorten|Mend|Ask|Install|' +
    'It must|must|It belongs to|Is the environment variable set|give|set|list|start|remove)\\b'
)

/** The parts that a sentence lacks. */
function lacking (sentence: string): string[] {
  return Object.entries({ subject: subjects, cause: causes, remedy: remedies })
    .filter(([, pattern]) => !pattern.test(sentence)).map(([part]) => `${part}: ${sentence}`)
}

/** The rows of the tables of a page, as cells without backticks. */
function rowsOf (name: string): string[][] {
  const isRow = (line: string) => line.startsWith('| ')
  const lines = read(name).split('\n')
  return lines.filter((line, at) => isRow(line) && !lines[at + 1]?.startsWith('|--'))
    .map(line => line.split(/(?<!\\)\|/).slice(1, -1).map(cell => cell.trim().replaceAll('`', '')))
}

test('a mistake of each row of troubleshooting.md is planted, and each mistake has a row there or in errors.md', () => {
  const rows = rowsOf('docs/troubleshooting.md')
  const all = new Map([...rows, ...rowsOf('docs/errors.md')].map(row => [row[0] ?? '', row]))
  const planted = new Set(mistakes.map(({ row }) => row))
  assert.deepEqual([...planted].filter(row => !all.has(row)), [])
  for (const { title, row, remedy } of mistakes) {
    if (remedy === 'docs') assert.ok((all.get(row)?.at(-1) ?? '').length > 3, title)
  }
  const symptoms = rows.map(([symptom = '']) => symptom)
  assert.deepEqual(
    symptoms.filter(symptom => !planted.has(symptom) && !(symptom in plantedElsewhere)),
    []
  )
  for (const [symptom, name] of Object.entries(plantedElsewhere)) {
    assert.ok(symptoms.includes(symptom), symptom)
    assert.ok(existsSync(join(root, 'test', `${name}.test.ts`)), name)
  }
})
