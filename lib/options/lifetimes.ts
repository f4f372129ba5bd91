/** Which lifetimes must exceed which? */
import {
  accessTokenSeconds,
  refreshAbsoluteSeconds,
  refreshGraceSeconds,
  refreshTokenSeconds
} from '../limits.ts'
import type { McpOAuthOptions } from './schema.ts'

/** The rules of `lifetimes` and `refresh`: whether each is broken, and its line. */
export function lifetimeRules ({ lifetimes = {}, refresh = {} }: McpOAuthOptions) {
  const {
    access = accessTokenSeconds,
    refreshIdle = refreshTokenSeconds,
    refreshAbsolute = refreshAbsoluteSeconds
  } = lifetimes
  const { grace = refreshGraceSeconds } = refresh
  const isShorter = (
    [shorter, least]: readonly [string, number],
    [longer, most]: readonly [string, number]
  ) =>
    [
      least > most,
      `${longer}: ${most} seconds are shorter than ${shorter}, which is ${least}. Change one of the two`
    ] as const
  const idle = ['lifetimes.refreshIdle', refreshIdle] as const
  return [
    isShorter(['lifetimes.access', access], idle),
    isShorter(['refresh.grace', grace], idle),
    isShorter(idle, ['lifetimes.refreshAbsolute', refreshAbsolute])
  ]
}
