import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { jwtBearer, startAssertionIssuer, type AssertionIssuer } from './assertions.ts'
import { startTrusting } from './id-jag.ts'

type Options = Partial<McpOAuthOptions>
type Workload = NonNullable<McpOAuthOptions['workloads']>[number]

const seconds = () => Math.floor(Date.now() / 1000)

/** The claims of the token of a pod, as projected into it. */
export const pod = (issuer: string, aud: string, claims: object = {}) => ({
  aud: [aud],
  exp: seconds() + 607,
  iat: seconds(),
  iss: issuer,
  jti: randomUUID(),
  'kubernetes.io': {
    namespace: 'prod',
    node: { name: 'node-1', uid: randomUUID() },
    pod: { name: 'agent-0', uid: randomUUID() },
    serviceaccount: { name: 'agent', uid: randomUUID() }
  },
  nbf: seconds(),
  sub: 'system:serviceaccount:prod:agent',
  ...claims
})

/** The claims of a JWT-SVID. */
export const svid = (aud: string, claims: object = {}) => ({
  aud: [aud],
  exp: seconds() + 300,
  iat: seconds(),
  sub: 'spiffe://example.org/ns/prod/sa/agent',
  ...claims
})

/** The claims of a token of GitHub Actions. */
export const actions = (issuer: string, aud: string, claims: object = {}) => ({
  jti: randomUUID(),
  sub: 'repo:acme/app:ref:refs/heads/main',
  aud,
  ref: 'refs/heads/main',
  repository: 'acme/app',
  repository_owner: 'acme',
  repository_visibility: 'private',
  workflow: 'deploy',
  event_name: 'push',
  iss: issuer,
  nbf: seconds() - 10,
  exp: seconds() + 890,
  iat: seconds() - 10,
  ...claims
})

/** The claims of an ID token of a service account of Google Cloud. */
export const cloud = (issuer: string, aud: string, claims: object = {}) => ({
  aud,
  azp: '113774264463038321964',
  email: 'agent@acme.iam.gserviceaccount.com',
  email_verified: true,
  exp: seconds() + 3600,
  iat: seconds(),
  iss: issuer,
  sub: '113774264463038321964',
  ...claims
})

/** A broker with workloads of one issuer. */
export async function startWorkloads (
  t: TestContext,
  entries: (platform: AssertionIssuer) => Workload[],
  options: Options = {}
) {
  const platform = await startAssertionIssuer(t)
  const running = await startTrusting(t, {
    trustedIssuers: [],
    workloads: entries(platform),
    ...options
  })
  const endpoint = `${running.issuer}/oauth/token`
  return {
    ...running,
    platform,
    endpoint,
    /** Sends a token as the grant. */
    exchange: (assertion: string, params: object = {}, headers: object = {}) =>
      running.post(
        new URLSearchParams({ grant_type: jwtBearer, assertion, ...params }).toString(),
        headers
      )
  }
}

export type RunningWorkloads = Awaited<ReturnType<typeof startWorkloads>>
