import type { GrantType } from '../types.ts'
import { hostProblem, originProblem } from '../oauth/origin.ts'
import { redirectPatternProblem, redirectUriProblem } from '../oauth/redirect-uri.ts'
import { publicKeyProblem } from '../oauth/public-keys.ts'
import { isScopeToken, missingScopes, parseScope } from '../oauth/scope.ts'
import { userGrants } from '../oauth/token-request.ts'
import { problemOfServerUrl } from '../oauth/url.ts'
import { customMetadata } from '../oauth/metadata.ts'
import { problemsOf } from './check.ts'
import type { ClientOptions } from './client.ts'
import { OptionsSchema, type McpOAuthOptions } from './schema.ts'
import { suggestion } from './suggest.ts'
import { sentenceOf } from './sentence.ts'

/**
 * Everything that is wrong with the options, one line each: the option, what it is, what is
 * expected, how to mend it. Empty when all is well.
 */
export function optionProblems (options: unknown, production: boolean): string[] {
  // Fastify hands its own options over among ours.
  const { logLevel, logSerializers, ...own } = Object(options) as Record<string, unknown>
  const shape = problemsOf(OptionsSchema, options === Object(options) ? own : options).map(
    problem => sentenceOf(problem, suggestion)
  )
  // Rules that span options are meaningful only once each option has its type.
  return shape.length > 0 ? shape : [...rules(options as McpOAuthOptions, production)]
}

function* rules (options: McpOAuthOptions, production: boolean): Generator<string> {
  for (const name of ['secret', 'publicUrl'] as const) {
    if (
      Object.hasOwn(options, name) && options[name] === undefined
    ) {
      yield `${name}: undefined is given. Is the environment variable set? Leave the option out if it is not needed`
    }
  }
  yield* urlRules(options)
  yield* modeRules(options)
  yield* proxyRules(options, production)
  yield* brokerRules(options)
  yield* dpopRules(options)
  yield* scopeRules(options)

  const servers = ['server', 'handler', 'tools'].filter(name =>
    options.mcp?.[name as 'server'] !== undefined
  )
  if (servers.length > 1) {
    yield `mcp: ${servers.join(' and ')} are given; one of them serves the MCP route. Keep one`
  }
  if (
    servers.length === 0 && options.mcp?.toolScopes
  ) {
    yield 'mcp.toolScopes: has no effect without server, handler or tools. Guard your own route with requireMcpAuth({ scopes }), or give one of them'
  }
  for (const [index, dependency] of (options.dependencies ?? []).entries()) {
    if (
      dependency.length > 2
    ) {
      yield `dependencies.${index}: takes ${dependency.length} arguments, (request, reply) are expected. Return a promise instead of calling done`
    }
  }
  for (const pattern of options.allowedRedirectUris ?? []) {
    const problem = redirectPatternProblem(pattern)
    if (problem) yield `allowedRedirectUris: ${JSON.stringify(pattern)} ${problem}`
  }
  for (const origin of options.allowedOrigins ?? []) {
    const problem = originProblem(origin)
    if (problem) {
      yield `allowedOrigins: ${JSON.stringify(origin)} ${problem}, as in 'https://app.example.com'`
    }
  }
  for (const host of options.allowedHosts ?? []) {
    const problem = hostProblem(host)
    if (problem) yield `allowedHosts: ${JSON.stringify(host)} ${problem}, as in 'mcp.example.com'`
  }
}

function* urlRules (options: McpOAuthOptions): Generator<string> {
  for (const name of ['issuer', 'oauthMetadataUrl', 'authorizeUrl', 'publicUrl'] as const) {
    const value = options[name]
    const problem = value === undefined
      ? null
      : problemOfServerUrl(value, { query: name === 'oauthMetadataUrl' || name === 'authorizeUrl' })
    if (problem) {
      yield `${name}: ${JSON.stringify(value?.replace(/\/\/[^/?#]*@/, '//…@'))} ${problem}`
    }
  }
  if (
    options.issuer?.includes('/.well-known/')
  ) {
    yield 'issuer: is the URL of a metadata document. Give the issuer that the document names, or oauthMetadataUrl beside it'
  }
  if (options.customOAuthMetadata) {
    yield* customMetadata(options.customOAuthMetadata).problems.map(problem =>
      `customOAuthMetadata.${problem}`
    )
  }
}

function* modeRules (options: McpOAuthOptions): Generator<string> {
  const { auth, dependencies, issuer, customOAuthMetadata, tokens = 'auto' } = options
  if (auth === false) {
    for (const name of ['dependencies', 'tokens', 'requiredScopes', 'setupProxies'] as const) {
      if (
        options[name]
      ) { yield `auth: false switches all checks off, yet ${name} is given. Remove one of the two` }
    }
    if (
      options.mcp?.toolScopes
    ) {
      yield 'auth: false switches all checks off, yet mcp.toolScopes is given. Remove one of the two'
    }
    return
  }
  const verifier = tokens !== 'auto' && tokens !== false
  const issuers = verifier ? [tokens].flat().map(verify => verify.issuer) : []
  if (
    verifier && options.audience && !options.setupProxies
  ) {
    yield 'audience: has no effect beside tokens. Give it to the verifier: jwtVerifier({ issuer, audience })'
  }
  if (
    issuer && !options.setupProxies && issuers.length > 0 &&
    !issuers.some(name => name === undefined || name === issuer)
  ) {
    yield `issuer: clients would be sent to ${
      JSON.stringify(issuer)
    }, but no verifier of tokens takes its tokens. Remove it, or add jwtVerifier({ issuer })`
  }
  if (!issuer && !customOAuthMetadata && !dependencies && !verifier) {
    yield 'issuer, customOAuthMetadata, dependencies or tokens: none is given, one is needed. Name your provider with issuer, or set auth: false for a server without any checks'
  } else if (!dependencies && (tokens === false || (tokens === 'auto' && !issuer))) {
    yield 'dependencies, tokens or issuer: nothing would check the callers. Give one of them, or set auth: false for a server without any checks'
  }
}

function* proxyRules (options: McpOAuthOptions, production: boolean): Generator<string> {
  if (!options.setupProxies) return
  if (
    !options.clientId
  ) {
    yield 'clientId: missing, required with setupProxies. It is the id of this server at your provider'
  }
  if (Object.hasOwn(options, 'clientSecret') && options.clientSecret === undefined) {
    yield 'clientSecret: undefined is given. Is the environment variable set? Leave the option out if your provider knows this server as a public client'
  }
  if (
    !options.issuer
  ) { yield 'issuer: missing, required with setupProxies. It is the issuer of your provider' }
  if (
    options.customOAuthMetadata
  ) {
    yield 'customOAuthMetadata: contradicts setupProxies, which publishes metadata of its own. Remove one of the two'
  }
  const thin = options.version === '2025-03-26'
  const registers = options.setupFakeDynamicRegistration !== false
  if (thin && registers && !options.clientSecret) {
    yield 'clientSecret: missing, required with setupFakeDynamicRegistration. Set setupFakeDynamicRegistration: false if your provider knows this server as a public client'
  }
  if (production && !options.secret && (registers || !thin)) {
    yield 'secret: missing, required when NODE_ENV is production. Give at least 32 random bytes: openssl rand -base64 32'
  }
  if (options.store && !options.secret) yield sharedSecret
}

const sharedSecret =
  'secret: missing, required with store, as all instances must share it. Give at least 32 random bytes: openssl rand -base64 32'

function* dpopRules ({ dpop = 'off', ...options }: McpOAuthOptions): Generator<string> {
  if (dpop === 'off') return
  const {
    setupProxies = false,
    version,
    tokens = 'auto',
    dependencies,
    issuer,
    auth,
    store,
    secret
  } = options
  const verified = auth !== false &&
    (tokens === 'auto'
      ? setupProxies || (issuer !== undefined && !dependencies)
      : tokens !== false)
  if (
    !verified
  ) {
    yield `dpop: '${dpop}' is given, but nothing here checks access tokens: proofs are about these. Give tokens, such as jwtVerifier(…), or remove dpop`
  }
  if (
    setupProxies && version === '2025-03-26'
  ) {
    yield `dpop: '${dpop}' is given, but the thin proxies cannot pass proofs on to the provider. Remove dpop, or use the broker`
  }
  if (!setupProxies && store && !secret) yield sharedSecret
}

function* brokerRules (options: McpOAuthOptions): Generator<string> {
  const broker = options.setupProxies === true && options.version !== '2025-03-26'
  for (
    const name of [
      'authorizeUser',
      'upstreamToken',
      'consent',
      'clientIdMetadata',
      'clients',
      'legacyEndpoints'
    ] as const
  ) {
    if (
      !broker && options[name]
    ) { yield `${name}: has no effect without the broker. Set setupProxies: true, or remove it` }
  }
  for (const [index, client] of (options.clients ?? []).entries()) {
    const first = options.clients?.findIndex(({ clientId }) => clientId === client.clientId)
    if (first !== index) {
      yield `clients.${index}.clientId: ${
        JSON.stringify(client.clientId)
      } is that of clients.${first} too. Give each its own`
    }
    yield* clientRules(options, client, `clients.${index}`)
  }
}

function* clientRules (
  { allowedRedirectUris, requiredScopes = [], scopeHierarchy }: McpOAuthOptions,
  client: ClientOptions,
  name: string
): Generator<string> {
  const { redirectUris = [], secretHashes, jwks, grantTypes = userGrants, scopes } = client
  const [code, refresh, machine] = ['authorization_code', 'refresh_token', 'client_credentials']
    .map(type => grantTypes.includes(type as GrantType))
  for (const proof of ['secretHashes', 'jwks'] as const) {
    if (
      Object.hasOwn(client, proof) && client[proof] === undefined
    ) {
      yield `${name}.${proof}: undefined is given, which would make the client public. Is the environment variable set?`
    }
  }
  if (
    secretHashes && jwks
  ) {
    yield `${name}: secretHashes and jwks are given; a client proves itself in one way. Keep one`
  }
  if (
    machine && !secretHashes && !jwks
  ) {
    yield `${name}.grantTypes: client_credentials is for clients that prove who they are. Add secretHashes or jwks`
  }
  if (
    refresh && !code
  ) {
    yield `${name}.grantTypes: refresh_token continues what authorization_code began. Add that, or remove it`
  }
  if (
    code && !client.redirectUris
  ) {
    yield `${name}.redirectUris: missing, required with the grant type authorization_code. A machine has grantTypes: ['client_credentials']`
  }
  if (
    !code && client.redirectUris
  ) {
    yield `${name}.redirectUris: has no effect without the grant type authorization_code. Remove it`
  }
  for (const uri of redirectUris) {
    const problem = redirectUriProblem(uri, { allowed: allowedRedirectUris ?? null, forbidden: [] })
    if (problem) yield `${name}.redirectUris: ${JSON.stringify(uri)}: ${problem}`
  }
  for (const [index, key] of (jwks?.keys ?? []).entries()) {
    const problem = publicKeyProblem(key)
    if (problem) yield `${name}.jwks.keys.${index}: ${problem}`
  }
  if (!scopes) return
  yield* scopeListRules(`${name}.scopes`, scopes)
  const missing = missingScopes(scopes, requiredScopes, scopeHierarchy)
  if (missing.length > 0) {
    yield `${name}.scopes: lacks ${
      missing.join(' ')
    }, which requiredScopes asks of every caller. Add it`
  }
}

function* scopeRules (options: McpOAuthOptions): Generator<string> {
  const { toolScopes } = options.mcp ?? {}
  const ofTools = typeof toolScopes === 'object'
    ? Object.entries(toolScopes).map(([tool, scopes]) =>
      [`mcp.toolScopes.${tool}`, scopes] as const
    )
    : []
  const lists = {
    scopes: options.scopes,
    requiredScopes: options.requiredScopes,
    ...options.scopeHierarchy,
    ...Object.fromEntries(ofTools)
  }
  for (const [name, scopes = []] of Object.entries(lists)) yield* scopeListRules(name, scopes)
  if (
    options.requiredScopes?.includes('offline_access')
  ) {
    yield 'requiredScopes: offline_access asks for a refresh token, no resource can require it. Remove it'
  }
  try {
    parseScope(options.defaultScope ?? '')
  } catch {
    yield `defaultScope: ${
      JSON.stringify(options.defaultScope)
    } is not a list of scopes separated by single spaces`
  }
}

function* scopeListRules (name: string, scopes: readonly string[]): Generator<string> {
  const bad = scopes.find(scope => !isScopeToken(scope))
  if (bad !== undefined) {
    yield `${name}: ${JSON.stringify(bad)} is not one scope (RFC 6749, section 3.3)`
  }
}
