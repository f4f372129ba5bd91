import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { McpOAuthError } from '../../lib/errors.ts'
import { actOf, delegatedScopes } from '../../lib/oauth/delegation.ts'
import { callerOf } from '../../lib/verifiers/claims.ts'

// An oracle that shares no code with lib: it flattens chains to lists, and scopes to sets of pairs.

const ours = 'https://mcp.example.com'
const issuers = [ours, 'https://a.example.com', 'https://b.example.com']
const names = ['agent', 'bot', 'tool']
const tenants = ['acme', 'evil']
const scopes = ['read', 'write', 'admin', 'run', 'other']

/** A level as it is sent, with members that are no identity, or without a valid name. */
const level = fc.record({
  sub: fc.oneof({ weight: 30, arbitrary: fc.constantFrom(...names) }, fc.constantFrom('', 7, null)),
  iss: fc.constantFrom(...issuers),
  tenant: fc.constantFrom(...tenants),
  client_id: fc.constantFrom(...names),
  exp: fc.constant(1),
  email: fc.constant('a@example.com')
}, { requiredKeys: ['sub'] })

const subset = fc.subarray(scopes)
const party = fc.record({
  iss: fc.constantFrom(...issuers),
  sub: fc.constantFrom(...names),
  tenant: fc.option(fc.constantFrom(...tenants), { nil: undefined }),
  client_id: fc.option(fc.constantFrom(...names), { nil: undefined })
})
const mayAct = fc.option(
  fc.record({
    sub: fc.constantFrom(...names),
    iss: fc.constantFrom(...issuers),
    tenant: fc.constantFrom(...tenants),
    client_id: fc.constantFrom(...names),
    email: fc.constant('a@example.com')
  }, { requiredKeys: [] }),
  { nil: undefined, freq: 2 }
)

const sample = fc.record({
  issuer: fc.constantFrom(...issuers),
  tenant: fc.option(fc.constantFrom(...tenants), { nil: undefined }),
  chain: fc.array(level, { maxLength: 6 }),
  actor: party,
  may: mayAct,
  subject: subset,
  acting: fc.option(subset, { nil: undefined }),
  client: fc.option(subset, { nil: undefined }),
  server: subset,
  requested: fc.option(fc.subarray(scopes, { minLength: 1 }), { nil: undefined }),
  hierarchy: fc.constantFrom<Record<string, string[]>>(
    {},
    { admin: ['write'], write: ['read'] },
    { read: ['run'], run: ['read'] }
  ),
  unknownScopes: fc.constantFrom('ignore' as const, 'refuse' as const)
})

type Sample = typeof sample extends fc.Arbitrary<infer Value> ? Value : never

/** What the actors have to be, the current one first; null if there must be no token. */
function expectedActors (
  { issuer, tenant, chain, actor, may, isClient }: Sample & { isClient: boolean }
) {
  // The subjects of our own tokens have no tenant.
  const home = (iss: string) => iss === issuer && iss !== ours ? tenant : undefined
  if (chain.length >= 5) return null
  if (chain.some(({ sub }) => !names.includes(sub as string))) return null
  if (may) {
    if ('email' in may || (may.sub ?? may.client_id) === undefined) return null
    if (may.sub !== undefined && may.sub !== actor.sub) return null
    if (may.client_id !== undefined && may.client_id !== actor.client_id) return null
    const accepted = may.iss === undefined ? [issuer, ...isClient ? [ours] : []] : [may.iss]
    if (!accepted.includes(actor.iss)) return null
    if (actor.tenant !== (may.tenant ?? home(actor.iss))) return null
  }
  const prior = chain.map(({ sub, iss, client_id: id, tenant: own = home(iss ?? issuer) }) =>
    [sub, iss ?? (issuer === ours ? null : issuer), own ?? null, id ?? null].join()
  )
  const first = [actor.sub, actor.iss === ours ? null : actor.iss, actor.tenant ?? null, null]
  return [first.join(), ...prior]
}

/** All scopes that a list stands for: pairs are followed until nothing is added. */
function meaning (list: readonly string[], hierarchy: Record<string, string[]>) {
  const pairs = Object.entries(hierarchy).flatMap(([from, to]) => to.map(name => [from, name]))
  let all = new Set(list)
  for (let size = -1; size !== all.size;) {
    size = all.size
    all = new Set([
      ...all,
      ...pairs.filter(([from = '']) => all.has(from)).map(([, to = '']) => to)
    ])
  }
  return all
}

function flattened (act: unknown): string[] {
  if (act === undefined) return []
  const { sub, iss = null, tenant = null, client_id: id = null, act: prior, ...others } = Object(
    act
  )
  assert.deepEqual(others, {}, 'a level has nothing but sub, iss, tenant and client_id')
  return [[sub, iss, tenant, id].join(), ...flattened(prior)]
}

function attempt<Value> (run: () => Value): Value | null {
  try {
    return run()
  } catch (error) {
    assert.ok(error instanceof McpOAuthError)
    assert.ok(['invalidGrant', 'invalidScope'].includes(error.kind))
    return null
  }
}

test('100,000 chains grant what each party may, and name their actors in order [DG-03 DG-04 DG-07 DG-10]', () => {
  const seen = { chains: 0, refused: 0, scopes: 0, narrowed: 0 }
  fc.assert(
    fc.property(sample, (given) => {
      const { chain, may, issuer, tenant, subject, acting, client, server, requested } = given
      const { hierarchy, unknownScopes } = given
      const isOurs = given.actor.iss === ours
      const actor = { ...given.actor, tenant: isOurs ? undefined : given.actor.tenant }
      const isClient = isOurs && actor.sub === actor.client_id
      const act = chain.reduceRight<object | undefined>(
        (prior, own) => ({ ...own, ...(prior && { act: prior }) }),
        undefined
      )
      const claims = { iss: issuer, tenant, act, may_act: may }
      const issued = attempt(() => actOf(claims, { ...actor, isClient }, ours))
      const expected = expectedActors({ ...given, actor, isClient })
      assert.deepEqual(issued && flattened(issued), expected)
      if (issued) {
        seen.chains++
        assert.ok(flattened(issued).length <= 5)
        const context = { resource: `${ours}/mcp`, now: 0 }
        const read: string[] = []
        let caller = callerOf('token', { sub: 'user', act: issued }, context).actor
        for (; caller; caller = caller.actor) {
          const { subject: sub, issuer: iss = null, tenant = null, clientId = null } = caller
          read.push([sub, iss, tenant, clientId].join())
        }
        assert.deepEqual(read, expected)
      } else seen.refused++

      const granted = attempt(() =>
        delegatedScopes(requested, [subject, acting, client], {
          known: server,
          hierarchy,
          unknownScopes
        })
      )
      const limits = [subject, acting, client].flatMap(limit =>
        limit ? [meaning(limit, hierarchy)] : []
      )
      const allowed = new Set(
        scopes.filter(scope => server.includes(scope) && limits.every(limit => limit.has(scope)))
      )
      const isUnknown = unknownScopes === 'refuse' &&
        requested?.some(scope => !server.includes(scope)) === true
      if (granted === null) {
        const wanted = requested ?? subject
        assert.ok(isUnknown || (wanted.length > 0 && !wanted.some(scope => allowed.has(scope))))
        return
      }
      seen.scopes++
      const mayBeEmpty = requested === undefined && subject.length === 0
      assert.ok(granted.length > 0 || mayBeEmpty)
      assert.ok(!isUnknown)
      assert.equal(new Set(granted).size, granted.length)
      for (const scope of granted) assert.ok(allowed.has(scope), scope)
      for (const scope of requested ?? subject) {
        assert.equal(granted.includes(scope), allowed.has(scope), 'nothing is left out')
      }
      if (requested) assert.ok(granted.every(scope => requested.includes(scope)))
      if (granted.length < subject.length) seen.narrowed++
    }),
    { numRuns: 100_000 }
  )
  for (const count of Object.values(seen)) assert.ok(count > 1000, JSON.stringify(seen))
})
