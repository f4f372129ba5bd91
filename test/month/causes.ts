import { hash } from '../../lib/util/hash.ts'
import type { Session } from './provider.ts'
import type { Answer, World } from './world.ts'

// Why was a refresh token refused? The world knows more than a client does.

/** A login of a user, with its tokens. */
export interface Login {
  /** The id of the grant. */
  grant: string
  /** The login at the provider. */
  session: Session
  startedAt: number
  /** If a thief has a copy of one of its tokens: is called when the server notices. */
  theft?: (by: 'thief' | 'user', hasEnded: boolean) => void
  /** Why the grant ended. */
  endedBy?: string
}

/** A new token of the provider got lost between it and our note of it. */
export const lostRotation = 'lost rotation'

/** A process of the user, or a thief, used an old token of a stolen grant. */
export const theftDetected = 'a thief was detected'

/** Says why a token of a login was refused to a process. */
export function causeOf (world: World, login: Login, { reason }: Answer, process: string): string {
  if (login.endedBy !== undefined) return login.endedBy
  const isReused = reason.includes('replaced long ago')
  const hasEnded = reason.includes('the grant has ended')
  if (isReused) login.theft?.('user', hasEnded)
  const old = login.theft ? theftDetected : `an old token: ${process}`
  const cause = isReused ? old : providerCause(world, login)
  const isOver = isReused ? hasEnded : world.shared !== undefined
  if (isOver || login.session.ended) login.endedBy = cause
  return cause
}

function providerCause ({ shared }: World, { grant, session }: Login) {
  const { holder, rotatedAt, arrived } = session
  const loss = lossOf(session)
  if (shared) {
    const suffix = `:family:${hash(grant)}`
    const [, noted = -1] = [...shared.written].find(([key]) => key.endsWith(suffix)) ?? []
    if (noted >= rotatedAt) return 'unexplained'
    return loss ?? `${lostRotation}: the store had not taken it yet`
  }
  if (loss && !arrived) return loss
  if (session.ended) return 'the provider saw an old token'
  return holder.isGone
    ? 'a restart forgot the newest token'
    : 'another instance has the newest token'
}

/** Says how the newest token was lost, if it was. */
function lossOf ({ arrived, holder: { isGone, isKilled } }: Session) {
  if (arrived !== false && !isGone) return null
  const end = isKilled
    ? 'its instance was killed'
    : isGone
    ? 'its instance was closed'
    : 'no answer'
  return `${lostRotation}: ${end}${arrived ? ' before the note' : ''}`
}
