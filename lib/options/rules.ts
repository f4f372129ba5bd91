/** Which options contradict or require each other? */
import { customMetadata } from '../oauth/custom-metadata.ts'
import { redirectUriProblem } from '../oauth/redirect-uri.ts'
import { missingScopes } from '../oauth/scope.ts'
import { userGrants } from '../oauth/token-request.ts'
import type { GrantType } from '../types.ts'
import { problemsOf, sentenceOf } from './check.ts'
import type { ClientOptions } from './client.ts'
import { optionNames } from './names.ts'
import { OptionsSchema, type McpOAuthOptions } from './schema.ts'
import { suggestion } from './suggest.ts'

/**
 * Checks the options of a registration.
 *
 * @returns one line per problem: the option, the given value, the expected value, the remedy
 */
export function optionProblems (options: unknown, production: boolean): string[] {
  // Fastify hands its own options over among ours.
  const { logLevel, logSerializers, ...own } = Object(options) as Record<string, unknown>
  const problems = problemsOf(OptionsSchema, options === Object(options) ? own : options)
  const sentences = problems.map(problem =>
    sentenceOf(problem, { advise: name => suggestion(name, optionNames) })
  )
  // The rules below can compare options only if each has its type.
  if (problems.some(({ predicate }) => predicate === null)) return sentences
  return [...sentences, ...rules(options as McpOAuthOptions, production)]
}

function* rules (options: McpOAuthOptions, production: boolean): Generator<string> {
  for (const name of ['secret', 'publicUrl'] as const) {
    if (isUnset(options, name)) {
      yield `${name}: ${unset} Leave the option out if it is not needed`
    }
  }
  const { problems } = customMetadata(options.customOAuthMetadata ?? {})
  if (options.customOAuthMetadata) {
    yield* problems.map(problem => `customOAuthMetadata.${problem.replace(' ', ': ')}`)
  }
  yield* modeRules(options)
  yield* proxyRules(options, production)
  yield* brokerRules(options)
  yield* dpopRules(options)
  yield* mcpRules(options)
}

const unset = 'undefined is given. Is the environment variable set?'
const generate = 'Give at least 32 random bytes: openssl rand -base64 32'
const sharedSecret =
  `secret: missing, required with store, as all instances must share it. ${generate}`

function isUnset<Options extends object> (options: Options, name: keyof Options): boolean {
  return Object.hasOwn(options, name) && options[name] === undefined
}

function* mcpRules ({ mcp = {} }: McpOAuthOptions): Generator<string> {
  const servers = (['server', 'handler', 'tools'] as const).filter(name => mcp[name] !== undefined)
  if (servers.length > 1) {
    yield `mcp: ${servers.join(' and ')} are given, but one of them serves the MCP route. Keep one`
  }
  if (servers.length === 0 && mcp.toolScopes) {
    yield 'mcp.toolScopes: has no effect without server, handler or tools. ' +
      'Guard your own route with requireMcpAuth({ scopes }), or give one of them'
  }
}

function* modeRules (options: McpOAuthOptions): Generator<string> {
  const { auth, dependencies, issuer, customOAuthMetadata, tokens = 'auto' } = options
  if (auth === false) {
    const checks = { ...options, 'mcp.toolScopes': options.mcp?.toolScopes }
    const names = ['dependencies', 'tokens', 'requiredScopes', 'setupProxies', 'mcp.toolScopes']
    for (const name of names.filter(name => checks[name as keyof typeof checks])) {
      yield `auth: false switches all checks off, yet ${name} is given. Remove one of the two`
    }
    return
  }
  const verifiers = typeof tokens === 'object' || typeof tokens === 'function'
    ? [tokens].flat()
    : []
  if (verifiers.length > 0 && options.audience && !options.setupProxies) {
    yield 'audience: has no effect beside tokens. Give it to the verifier: jwtVerifier({ issuer, audience })'
  }
  const isAccepted = verifiers.length === 0 ||
    verifiers.some(verify => verify.issuer === undefined || verify.issuer === issuer)
  if (issuer && !options.setupProxies && !isAccepted) {
    yield `issuer: clients would be sent to ${
      JSON.stringify(issuer)
    }, but no verifier of tokens accepts its tokens. Remove it, or add jwtVerifier({ issuer })`
  }
  if (!issuer && !customOAuthMetadata && !dependencies && verifiers.length === 0) {
    yield 'issuer, customOAuthMetadata, dependencies or tokens: none is given, one is needed. ' +
      'Name your provider with issuer, or set auth: false for a server without any checks'
  } else if (!dependencies && (tokens === false || (tokens === 'auto' && !issuer))) {
    yield 'dependencies, tokens or issuer: nothing would check the callers. ' +
      'Give one of them, or set auth: false for a server without any checks'
  }
}

function* proxyRules (options: McpOAuthOptions, production: boolean): Generator<string> {
  if (!options.setupProxies) return
  if (!options.clientId) {
    yield 'clientId: missing, required with setupProxies. It is the id of this server at your provider'
  }
  if (isUnset(options, 'clientSecret')) {
    yield `clientSecret: ${unset} Leave the option out if your provider knows this server as a public client`
  }
  if (!options.issuer) {
    yield 'issuer: missing, required with setupProxies. It is the issuer of your provider'
  }
  if (options.customOAuthMetadata) {
    yield 'customOAuthMetadata: contradicts setupProxies, which publishes metadata of its own. ' +
      'Remove one of the two'
  }
  const thin = options.version === '2025-03-26'
  const registers = options.setupFakeDynamicRegistration !== false
  if (thin && registers && !options.clientSecret) {
    yield 'clientSecret: missing, required with setupFakeDynamicRegistration. ' +
      'Set setupFakeDynamicRegistration: false if your provider knows this server as a public ' +
      'client'
  }
  if (production && !options.secret && (registers || !thin)) {
    yield `secret: missing, required when NODE_ENV is production. ${generate}`
  }
  if (options.store && !options.secret) yield sharedSecret
}

function* dpopRules ({ dpop = 'off', ...options }: McpOAuthOptions): Generator<string> {
  if (dpop === 'off') return
  const { setupProxies, version, tokens = 'auto', dependencies, issuer, auth } = options
  const isVerified = tokens === 'auto'
    ? setupProxies || (issuer !== undefined && !dependencies)
    : tokens !== false
  if (auth === false || !isVerified) {
    yield `dpop: '${dpop}' is given, but nothing here verifies access tokens, which proofs belong ` +
      'to. Give tokens, such as jwtVerifier(…), or remove dpop'
  }
  if (setupProxies && version === '2025-03-26') {
    yield `dpop: '${dpop}' is given, but the thin proxies cannot pass proofs on to the provider. ` +
      'Remove dpop, or use the broker'
  }
  if (!setupProxies && options.store && !options.secret) yield sharedSecret
}

const brokerOptions = [
  'authorizeUser',
  'upstreamToken',
  'consent',
  'clientIdMetadata',
  'clients',
  'legacyEndpoints'
] as const

function* brokerRules (options: McpOAuthOptions): Generator<string> {
  if (options.setupProxies !== true || options.version === '2025-03-26') {
    for (const name of brokerOptions.filter(name => options[name])) {
      yield `${name}: has no effect without the broker. Set setupProxies: true, or remove it`
    }
  }
  const ids = (options.clients ?? []).map(({ clientId }) => clientId)
  for (const [index, client] of (options.clients ?? []).entries()) {
    const first = ids.indexOf(client.clientId)
    if (first !== index) {
      yield `clients.${index}.clientId: ${
        JSON.stringify(client.clientId)
      } is that of clients.${first} too. Give each its own`
    }
    for (const problem of clientRules(options, client)) yield `clients.${index}${problem}`
  }
}

function* clientRules (
  { allowedRedirectUris, requiredScopes = [], scopeHierarchy }: McpOAuthOptions,
  client: ClientOptions
): Generator<string> {
  const { secretHashes, jwks, grantTypes = userGrants, scopes } = client
  const has = (type: GrantType) => grantTypes.includes(type)
  for (const proof of ['secretHashes', 'jwks'] as const) {
    if (isUnset(client, proof)) {
      yield `.${proof}: undefined is given, which would make the client public. Is the environment variable set?`
    }
  }
  if (secretHashes && jwks) {
    yield ': secretHashes and jwks are given, but a client authenticates in one way. Keep one'
  }
  if (has('client_credentials') && !secretHashes && !jwks) {
    yield '.grantTypes: client_credentials is for clients that prove who they are. Add secretHashes or jwks'
  }
  if (has('refresh_token') && !has('authorization_code')) {
    yield '.grantTypes: refresh_token continues what authorization_code began. Add that, or remove it'
  }
  if (has('authorization_code') && !client.redirectUris) {
    yield '.redirectUris: missing, required with the grant type authorization_code. ' +
      "A machine has grantTypes: ['client_credentials']"
  }
  if (!has('authorization_code') && client.redirectUris) {
    yield '.redirectUris: has no effect without the grant type authorization_code. Remove it'
  }
  for (const uri of client.redirectUris ?? []) {
    const problem = redirectUriProblem(uri, { allowed: allowedRedirectUris ?? null, forbidden: [] })
    if (problem) yield `.redirectUris: ${JSON.stringify(uri)} is given. ${problem}`
  }
  const missing = scopes ? missingScopes(scopes, requiredScopes, scopeHierarchy) : []
  if (missing.length > 0) {
    yield `.scopes: lacks ${
      missing.join(' ')
    }, which requiredScopes demands of every caller. Add it`
  }
}
