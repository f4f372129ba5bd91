/** Which options contradict or require each other? */
import { deflateRawSync } from 'node:zlib'
import { minCompressedSecretBytes } from '../limits.ts'
import { completeMetadata, metadataProblems } from '../oauth/metadata.ts'
import { redirectUriProblem } from '../oauth/redirect-uri.ts'
import { missingScopes } from '../oauth/scope.ts'
import { machineIn, userGrants } from '../oauth/token-request.ts'
import { brokerOptions, canAuthenticate, storedRules, type ClientOptions } from './broker.ts'
import { cardRules } from './card.ts'
import { isGiven, problemsOf, sentenceOf, unset } from './check.ts'
import { exchangeRules, verifiesTokens } from './exchange.ts'
import { advise } from './names.ts'
import { OptionsSchema, type McpOAuthOptions } from './schema.ts'

/** A rule, and its line if it is broken: the option, the problem, the remedy. */
type Rule = readonly [isBroken: unknown, line: string]

const leaveOut = 'Leave it out if it is not needed'
const generate = 'Give at least 32 random bytes: openssl rand -base64 32'

/**
 * Checks the options of a registration.
 *
 * @returns one line per problem: the option, the given value, the expected value, the remedy
 */
export function optionProblems (options: unknown, production: boolean) {
  // Fastify passes its own options among ours.
  const { logLevel, logSerializers, ...own } = Object(options) as Record<string, unknown>
  const problems = problemsOf(OptionsSchema, options === Object(options) ? own : options)
  const sentences = problems.map(problem => sentenceOf(problem, { advise }))
  // The rules below can compare options only if each has its type.
  if (problems.some(({ predicate }) => predicate === null)) return sentences
  const rules = rulesOf(options as McpOAuthOptions, production)
  return [...sentences, ...rules.flatMap(([isBroken, line]) => isBroken ? [line] : [])]
}

function rulesOf (options: McpOAuthOptions, production: boolean): Rule[] {
  const { auth, customOAuthMetadata: metadata, dpop = 'off', secret, setupProxies } = options
  return [
    ...secretRules(options, production),
    ...unsetRules(options, ['publicUrl']),
    ...metadataProblems(metadata ? completeMetadata(metadata) : {})
      .map((problem): Rule => [true, `customOAuthMetadata.${problem}`]),
    ...auth === false ? openRules(options) : accessRules(options),
    ...setupProxies ? proxyRules(options) : [],
    ...brokerRules(options),
    ...dpop === 'off' ? [] : dpopRules(options),
    ...exchangeRules(options),
    ...mcpRules(options),
    [
      production && [secret ?? []].flat().some(isGuessable),
      `secret: repeats itself or is a sequence, so it can be guessed. ${generate}`
    ]
  ]
}

function secretRules (options: McpOAuthOptions, production: boolean): Rule[] {
  const { dpop = 'off', setupProxies, store, version } = options
  const seals = setupProxies &&
    (version !== '2025-03-26' || options.setupFakeDynamicRegistration !== false)
  const reason = store && (setupProxies || dpop !== 'off')
    ? 'with store, as all instances must share it'
    : production && seals && 'when NODE_ENV is production'
  return reason ? [missing(options, 'secret', reason, generate)] : unsetRules(options, ['secret'])
}

function missing<Name extends string> (
  options: { [name in Name]?: unknown },
  name: Name,
  reason: string,
  remedy: string
): Rule {
  const problem = `${name}: ${name in options ? `${unset} It is` : 'missing,'}`
  return [options[name] === undefined, `${problem} required ${reason}. ${remedy}`]
}

/** Estimates entropy: whether a text, or the steps between its characters, compress well. */
function isGuessable (text: string) {
  const bytes = Buffer.from(text)
  const steps = bytes.map((byte, index) => byte - (bytes[index - 1] ?? 0))
  return [bytes, steps].some(data => deflateRawSync(data).length < minCompressedSecretBytes)
}

function unsetRules (options: object, names: readonly string[], remedy = leaveOut): Rule[] {
  return Object.entries(options)
    .filter(([name]) => names.includes(name))
    .map(([name, value]) => [value === undefined, `${name}: ${unset} ${remedy}`])
}

function mcpRules ({ mcp = {} }: McpOAuthOptions): Rule[] {
  const servers = (['server', 'handler', 'tools'] as const).filter(name => mcp[name] !== undefined)
  return [
    ...cardRules(mcp),
    [
      servers.length > 1,
      `mcp: ${servers.join(' and ')} are given, but one of them serves the MCP route. Keep one`
    ],
    ...(['toolScopes', 'authorizeTool'] as const).map((name): Rule => [
      servers.length === 0 && mcp[name],
      `mcp.${name}: has no effect without server, handler or tools. Give one of them, or ` +
      'guard your own route with requireMcpAuth({ scopes })'
    ])
  ]
}

function openRules (
  { dependencies, tokens, requiredScopes, setupProxies, mcp }: McpOAuthOptions
): Rule[] {
  const checks = {
    dependencies,
    tokens,
    requiredScopes,
    setupProxies,
    'mcp.toolScopes': mcp?.toolScopes,
    'mcp.authorizeTool': mcp?.authorizeTool
  }
  return Object.entries(checks).map(([name, check]) => [
    isGiven(check),
    `auth: false switches all checks off, yet ${name} is given. Remove one of the two`
  ])
}

function accessRules (options: McpOAuthOptions): Rule[] {
  const { audience, dependencies, issuer, setupProxies, tokens = 'auto' } = options
  const verifiers = tokens === 'auto' || tokens === false ? [] : [tokens].flat()
  const onlyVerifiers = verifiers.length > 0 && !setupProxies
  return [
    [
      audience && onlyVerifiers,
      'audience: has no effect beside tokens. Give it to the verifier: jwtVerifier({ issuer, audience })'
    ],
    [
      issuer && onlyVerifiers && verifiers.every(verify => (verify.issuer ?? issuer) !== issuer),
      'issuer: clients would get tokens there that no verifier in tokens accepts. ' +
      'Remove it, or add jwtVerifier({ issuer })'
    ],
    [
      !dependencies && (tokens === false || (tokens === 'auto' && !issuer && !setupProxies)),
      ('issuer' in options && !issuer
        ? `issuer: ${unset} Without it,`
        : 'issuer, tokens or dependencies:') +
      ' nothing would check the callers. ' +
      'Give one of them, or set auth: false for a server without any checks'
    ]
  ]
}

function proxyRules (options: McpOAuthOptions): Rule[] {
  const { clientSecret, setupFakeDynamicRegistration: registers = true, version } = options
  return [
    ...unsetRules(options, ['clientSecret']),
    ...(['clientId', 'issuer'] as const).map(name =>
      missing(options, name, 'with setupProxies', 'Take it from your provider')
    ),
    [
      options.customOAuthMetadata,
      'customOAuthMetadata: contradicts setupProxies, which has its own. Remove one of the two'
    ],
    [
      version === '2025-03-26' && registers && !clientSecret,
      'clientSecret: missing, required with setupFakeDynamicRegistration. ' +
      'Set that to false for a public client'
    ]
  ]
}

function dpopRules (options: McpOAuthOptions): Rule[] {
  const { setupProxies, version } = options
  return [
    [
      !verifiesTokens(options),
      'dpop: nothing here verifies access tokens. ' +
      'Give tokens, such as jwtVerifier(…), or remove dpop'
    ],
    [
      setupProxies && version === '2025-03-26',
      'dpop: thin proxies cannot pass proofs on to the provider. Remove dpop, or use the broker'
    ]
  ]
}

function brokerRules (options: McpOAuthOptions): Rule[] {
  const { clients = [], rateLimits, setupProxies, version } = options
  const hasBroker = setupProxies && version !== '2025-03-26'
  return [
    ...Object.keys(brokerOptions).map((name): Rule => [
      !hasBroker && isGiven(options[name as keyof McpOAuthOptions]),
      setupProxies
        ? `${name}: has no effect with version 2025-03-26. Set a later one, or remove it`
        : `${name}: has no effect without the broker. Set setupProxies: true, or remove it`
    ]),
    [rateLimits && !setupProxies, 'rateLimits: has no effect without setupProxies. Remove it'],
    ...storedRules(options),
    ...clients.flatMap((client, index): Rule[] => {
      const first = clients.findIndex(({ clientId }) => clientId === client.clientId)
      return [
        [
          first !== index,
          `clients.${index}.clientId: clients.${first} has it too. Give each its own`
        ],
        ...clientRules(options, client, `clients.${index}`)
      ]
    })
  ]
}

function clientRules (
  { allowedRedirectUris: allowed, requiredScopes = [], scopeHierarchy, workloads }: McpOAuthOptions,
  client: ClientOptions,
  name: string
): Rule[] {
  const { secretHashes, jwks, grantTypes = userGrants, redirectUris, scopes } = client
  const hasUsers = grantTypes.includes('authorization_code')
  const machine = machineIn(grantTypes)
  const lacking = missingScopes(scopes ?? requiredScopes, requiredScopes, scopeHierarchy)
  return [
    ...unsetRules(client, ['secretHashes', 'jwks'], 'Without it, the client is public')
      .map(([isBroken, line]): Rule => [isBroken, `${name}.${line}`]),
    [
      secretHashes && jwks,
      `${name}: secretHashes and jwks are given, but a client authenticates in one way. Keep one`
    ],
    [
      machine && !canAuthenticate(client, workloads),
      `${name}.grantTypes: ${machine} requires authentication. Add secretHashes or jwks`
    ],
    [
      grantTypes.includes('refresh_token') && !hasUsers,
      `${name}.grantTypes: refresh_token requires authorization_code. Add that, or remove it`
    ],
    [
      hasUsers && !redirectUris,
      `${name}.redirectUris: missing, required with the grant type authorization_code. ` +
      "A machine has grantTypes: ['client_credentials']"
    ],
    [
      !hasUsers && redirectUris,
      `${name}.redirectUris: has no effect without the grant type authorization_code. Remove it`
    ],
    ...(redirectUris ?? []).map((uri): Rule => {
      const problem = redirectUriProblem(uri, { allowed: allowed ?? null, forbidden: [] })
      return [
        problem,
        `${name}.redirectUris: ${JSON.stringify(uri)} is given. ${problem} ` +
        'Correct it, or allow it in allowedRedirectUris'
      ]
    }),
    [lacking.length > 0, `${name}.scopes: lacks ${lacking.join(' ')} of requiredScopes. Add it`]
  ]
}
