import { discover, type Discovered } from './discovery.ts'
import type { KnownFacts } from './commonest.ts'
import { challengeOf, type Received, type Requester } from './http.ts'
import { identify, redirectUrisOf, type Configuration, type Credentials } from './identify.ts'
import {
  addedBy,
  authenticate,
  authorizationRequest,
  checkCallback,
  requestTokens,
  resourceOf,
  scopeOf
} from './login.ts'

/** What a client keeps of one server: its id and its tokens. */
export interface Account {
  credentials: Credentials | undefined
  tokens: Record<string, any> | undefined
  /** Discovers the server, and obtains a client id. */
  register(challenge: Record<string, string>): Promise<void>
  logIn(scope?: string): Promise<void>
  refresh(): Promise<void>
  /** Logs in for the scopes of a refusal. */
  stepUp(refusal: Received): Promise<void>
  revoke(kind: 'refresh_token' | 'access_token'): Promise<void>
}

export function createAccount (
  facts: KnownFacts,
  mcp: string,
  http: Requester,
  { browser, configuration = {} }: {
    browser: (authorizationUrl: URL) => Promise<URL | string>
    configuration?: Configuration
  }
): Account {
  let discovered: Discovered | undefined
  const nextRedirectUri = redirectUrisOf(facts)
  let redirectUri = ''
  let requested: string | undefined

  const registered = () => {
    const { credentials } = account
    if (!discovered || !credentials) throw new Error('The client has not registered')
    return { discovered, credentials, server: discovered.server }
  }
  const added = () => addedBy(facts, registered().server)
  const scopeOfLogin = () => scopeOf(facts, registered().discovered, configuration)

  const account: Account = {
    credentials: undefined,
    tokens: undefined,

    async register (challenge) {
      discovered = await discover(facts, mcp, challenge, http)
      redirectUri = nextRedirectUri()
      const scope = scopeOf(facts, discovered, configuration)
      account.credentials = await identify(
        facts,
        discovered,
        { redirectUri, scope, configuration },
        http
      )
    },

    async logIn (scope = scopeOfLogin()) {
      const { discovered, credentials, server } = registered()
      const { url, state, verifier } = authorizationRequest(facts, discovered, {
        clientId: credentials.id,
        redirectUri,
        scope,
        resource: resourceOf(facts, mcp, discovered, 'authorize')
      })
      const answer = new URL(await browser(url))
      checkCallback(answer, { redirectUri, state, server })
      requested = scope
      const tokens = await requestTokens(facts, discovered, credentials, {
        grant_type: 'authorization_code',
        code: answer.searchParams.get('code') ?? '',
        redirect_uri: redirectUri,
        code_verifier: verifier,
        resource: resourceOf(facts, mcp, discovered, 'token')
      }, http)
      account.tokens = { scope, ...tokens }
      redirectUri = nextRedirectUri()
    },

    async refresh () {
      const { discovered, credentials } = registered()
      const { tokens } = account
      if (!facts.refresh) throw new Error('The client never refreshes')
      if (tokens?.['refresh_token'] === undefined) throw new Error('No refresh token was issued')
      const granted = String(tokens['scope'] ?? '')
      const scope = facts.refresh.scope && {
        requested: requested ?? '',
        granted,
        'granted and added': union(granted, ...added()),
        unknown: ''
      }[facts.refresh.scope]
      const answer = await requestTokens(facts, discovered, credentials, {
        grant_type: 'refresh_token',
        refresh_token: tokens['refresh_token'],
        scope: scope || undefined,
        resource: resourceOf(facts, mcp, discovered, 'refresh')
      }, http)
      account.tokens = { ...tokens, ...answer }
    },

    async stepUp ({ headers }) {
      const { scope = '' } = challengeOf(headers)
      const granted = String(account.tokens?.['scope'] ?? requested ?? '')
      const scopes = {
        challenge: scope,
        'challenge and granted': `${granted} ${scope}`,
        login: scopeOfLogin() ?? ''
      }[facts.stepUpScope]
      await account.logIn(union(scopes, ...added()) || undefined)
    },

    async revoke (kind) {
      const { server, credentials } = registered()
      const token = account.tokens?.[kind]
      const endpoint = server['revocation_endpoint']
      if (token === undefined || endpoint === undefined) return
      const form = new URLSearchParams({ token, token_type_hint: kind })
      const headers = authenticate(facts, server, credentials, form)
      const { status, text } = await http.form(endpoint, form, headers)
      if (status !== 200) throw new Error(`The revocation was answered with ${status} ${text}`)
    }
  }
  return account
}

function union (...texts: string[]): string {
  return [...new Set(texts.flatMap(text => text.split(' ')).filter(Boolean))].join(' ')
}
