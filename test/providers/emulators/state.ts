import { createHash, randomBytes } from 'node:crypto'
import type { IssuerKey } from '../../support/issuer.ts'
import type { Extent, Grant, ProviderFacts, User } from './provider.ts'

// What does an emulated provider remember?

/** A registration at the provider. */
export interface EmulatedClient {
  clientId: string
  /** Null for a public client. */
  clientSecret: string | null
  redirectUris: string[]
}

/** One login of a user with one client. */
export interface Login {
  grant: Omit<Grant, 'isRefresh'>
  startedAt: number
  hasEnded: boolean
}

export interface RefreshToken {
  login: Login
  usedAt: number
  replacedAt: number | null
  hasEnded: boolean
}

export interface Code {
  login: Login
  redirectUri: string | null
  issuedAt: number
  issuesRefreshToken: boolean
}

export type State = ReturnType<typeof createState>

export function createState (facts: ProviderFacts, keys: IssuerKey[]) {
  let now = Math.floor(Date.now() / 1000)
  const logins: Login[] = []
  const refreshTokens = new Map<string, RefreshToken>()
  const accessTokens = new Map<string, { login: Login, expiresAt: number, hasEnded: boolean }>()

  /** Ends what belongs to a login. */
  function end ({ grant }: Login, extent: Exclude<Extent, 'token'>): void {
    for (const login of logins) {
      const other = login.grant
      const isSameConsent = other.user.id === grant.user.id && other.clientId === grant.clientId
      const isEnded = {
        login: other.id === grant.id,
        session: isSameConsent && other.session === grant.session,
        consent: isSameConsent
      }[extent]
      if (isEnded) login.hasEnded = true
    }
    if (extent === 'consent') state.consents.delete(consentOf(grant))
  }

  const state = {
    facts,
    clients: new Map<string, EmulatedClient>(),
    codes: new Map<string, Code>(),
    logins,
    refreshTokens,
    accessTokens,
    /** Users that have agreed to a client. */
    consents: new Set<string>(),
    /** Published keys, one for each algorithm. */
    keys,
    /** All secrets that were issued. */
    canaries: new Set<string>(),
    /** Seconds. The clock stands still, until a test sets it forward. */
    now: () => now,
    advance: (seconds: number) => {
      now += seconds
    },
    end,
    secret: (kind: string, prefix = '') => {
      const value = `${prefix}canary-${kind}-${randomBytes(16).toString('hex')}`
      state.canaries.add(value)
      return value
    }
  }
  return state
}

export function consentOf ({ user, clientId }: Pick<Grant, 'user' | 'clientId'>): string {
  return JSON.stringify([user.id, clientId])
}

/** Everyone has an account. */
export function userOf (id: string): User {
  return {
    id,
    number: createHash('sha256').update(id).digest().readUInt32BE(),
    name: `${id.charAt(0).toUpperCase()}${id.slice(1)} Example`,
    email: `${id}@example.com`,
    emailVerified: true,
    roles: ['notes-user']
  }
}
