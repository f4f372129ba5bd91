import { minAnswerSeconds } from '../../lib/limits.ts'
import type { Invariant } from './run.ts'
import type { Entry } from './requests.ts'

// What must be true on every path. Each invariant returns a sentence for each way it is broken.

const isGood = ({ reply: { status } }: Entry) => status >= 200 && status < 400
const named = ({ request, user, reply }: Entry) =>
  `${request} for ${user} was answered ${`${reply.status} ${reply.kind ?? ''}`.trim()}`

/** Nothing fails in a way that the error table does not foresee. */
export const noInternal: Invariant = ({ world }) =>
  world.history.filter(({ reply }) => reply.kind === 'internal')
    .map(entry => `an error was not foreseen: ${named(entry)}`)

/** No request is refused with a 4xx, which would end the session of an honest client. */
export const noLoss: Invariant = ({ world }) =>
  world.history.filter(({ reply }) => reply.status >= 400 && reply.status < 500)
    .map(entry => `an honest session was lost: ${named(entry)}`)

/** The last request, when all is quiet, succeeds. */
export const endsWell: Invariant = ({ world }) =>
  world.history.slice(-1).filter(entry => !isGood(entry))
    .map(entry => `the last request did not succeed: ${named(entry)}`)

/** The tokens of an answer are of the user, the grant, the key and the scopes of its request. */
export const noCrossing: Invariant = ({ world, sessions }) =>
  world.history.filter(isGood).flatMap((entry) => {
    const { user, asked, reply: { claims, content, tokens } } = entry
    const own = sessions.filter(session => session.user === user)
    const session = own.find(({ grant }) => grant === claims?.['gid']) ?? own[0]
    if (!claims || !tokens) return []
    if (!session) {
      return claims['sub'] === user
        ? []
        : [`crossing: ${named(entry)} with another user`]
    }
    const [upstream = ''] = String(content?.upstream.refresh).split('.')
    const scopes = tokens.scope.split(' ')
    const bound = claims['cnf'] as { jkt?: string } | undefined
    const differences = Object.entries({
      user: claims['sub'] === user && (!content || content.subject === user),
      grant: claims['gid'] === session.grant && (!content || content.grant === session.grant),
      'session at the provider': !content || (session.login
        ? world.provider.sessions[upstream]?.user === user
        : upstream === session.session),
      scopes: !asked.scopes || scopes.every(scope => asked.scopes?.includes(scope)),
      key: bound?.jkt === asked.key
    }).filter(([, isSame]) => !isSame)
    return differences.map(([name]) => `crossing: ${named(entry)} with another ${name}`)
  })

/** Each code is redeemed once at the provider, and gives tokens to one request. */
export const oneWinner: Invariant = ({ world }) => {
  const problems: string[] = []
  const codes = new Set(world.history.map(({ asked }) => asked.code))
  for (const code of codes) {
    if (code === undefined) continue
    const winners = world.history.filter(entry => entry.asked.code === code && isGood(entry))
    if (winners.length > 1) problems.push(`a code has ${winners.length} winners`)
  }
  return problems
}

/** Without faults, one request with a code succeeds. */
export const aWinner: Invariant = ({ world }) =>
  world.steps.hadFault() || world.history.some(entry => entry.asked.code && isGood(entry))
    ? []
    : ['a code has no winner']

/** Even after a fault. */
export const inTheEndAWinner: Invariant = ({ world }) =>
  world.history.some(entry => entry.asked.code && isGood(entry)) ? [] : ['a code has no winner']

/** No token or code of the provider is used twice: providers take that for theft. */
export const providerOnce: Invariant = ({ world }) =>
  Object.entries(world.provider.sessions).filter(([, { reuses }]) => reuses > 0)
    .map(([name]) => `a token of the session ${name} was used twice at the provider`)

/** Without faults, all processes with one token get the same tokens, from one refresh. */
export const converges: Invariant = ({ world }) => {
  if (world.steps.hadFault()) return []
  const good = world.history.filter(isGood)
  return [...new Set(good.map(({ asked }) => asked.token))].flatMap((token) => {
    const entries = good.filter(({ asked }) => asked.token === token)
    const next = new Set(entries.map(({ reply }) => reply.tokens?.refresh_token))
    return next.size > 1 ? [`${next.size} tokens follow one: ${entries.map(named).join(', ')}`] : []
  })
}

/** The grant has ended here, and its session at the provider. */
export const ended: Invariant = ({ world, sessions }) =>
  sessions.flatMap(({ user, session }) => {
    const isEnded = world.history.filter(entry => entry.user === user).at(-1)?.reply.kind ===
      'invalidGrant'
    return [
      ...isEnded ? [] : [`the grant of ${user} has not ended`],
      ...world.provider.sessions[session]?.ended ? [] : [`the session of ${user} has not ended`]
    ]
  })

/** A request that began after the answer to a revocation gets nothing. */
export const revocationFinal: Invariant = ({ world }) => {
  const done = world.history.filter(entry => entry.request.startsWith('revoke') && isGood(entry))
  return world.history.filter(entry =>
    !entry.request.startsWith('revoke') && isGood(entry) &&
    done.some(({ user, ended }) => user === entry.user && ended < entry.began)
  ).map(entry => `a revocation was not final: ${named(entry)}`)
}

/** Requests are answered within a limit of milliseconds. */
export const prompt = (limit: number): Invariant => ({ world }) =>
  world.history.filter(({ took }) => took > limit)
    .map(entry => `${named(entry)} after ${entry.took} ms`)

/** A request with a wrong verifier gets nothing. */
export const noneWithWrongVerifier: Invariant = ({ world }) =>
  world.history.filter(entry => entry.asked.wrong && isGood(entry)).map(named)

/** A refresh token that was used longer ago than the grace gets nothing. */
export const thiefOut: Invariant = ({ world, sessions }) =>
  world.history.filter(entry =>
    isGood(entry) && sessions.some(({ tokens }) => tokens.at(-3) === entry.asked.token)
  ).map(entry => `a thief was not detected: ${named(entry)}`)

/** Every access token is good for a while. */
export const fresh: Invariant = ({ world }) =>
  world.history.filter(({ reply }) => reply.tokens && reply.tokens.expires_in < minAnswerSeconds)
    .map(entry => `an access token has expired: ${named(entry)}`)

/** The first decision about a consent page counts: all good answers lead to one place. */
export const decidedOnce: Invariant = ({ world, sessions }) =>
  sessions.flatMap(({ user, login }) => {
    const sent = world.history.filter(({ asked }) => asked.form && asked.form === login?.form)
    const places = new Set(sent.filter(isGood).map(({ reply }) => reply.location))
    return sent.length === 0 || places.size === 1
      ? []
      : [`the page of ${user} leads to ${places.size} places`]
  })

/** All callbacks of a login return one code. */
export const oneCode: Invariant = ({ world }) => {
  const good = world.history.filter(entry => entry.asked.state !== undefined && isGood(entry))
  return [...new Set(good.map(({ asked }) => asked.state))].flatMap((state) => {
    const places = new Set(
      good.filter(({ asked }) => asked.state === state)
        .map(({ reply }) => reply.location)
    )
    return places.size === 1 ? [] : [`a login has ${places.size} codes`]
  })
}

/** An answer that refuses something because of another request: there was one. */
export const tellsTruth: Invariant = ({ world }) =>
  world.history.filter(entry => {
    const { reply: { kind = '' }, asked, user, ended } = entry
    const earlier = world.history.filter(other =>
      other !== entry && other.user === user && other.began < ended
    )
    if (kind.includes('already completed')) return !earlier.some(({ asked }) => asked.code)
    return kind.includes('first decision counts') &&
      !earlier.some(other => other.asked.form === asked.form && other.asked.action !== asked.action)
  }).map(entry => `a lie: ${named(entry)}`)

/** Nothing of a login is of use in the browser of another user. */
export const noIntruder: Invariant = ({ world, sessions }) =>
  world.history.filter(isGood).filter(({ user, asked: { form, state } }) =>
    sessions.some(({ user: owner, login }) =>
      login && owner !== user && (form === login.form ||
        (state !== undefined && login.query.includes(state)))
    )
  ).map(entry => `an intruder got something: ${named(entry)}`)
