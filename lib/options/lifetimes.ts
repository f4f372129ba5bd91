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
  const idle = ['lifetimes.refreshIdle', refreshIdle] as const
  return [
    atLeast(idle, ['lifetimes.access', access]),
    atLeast(idle, ['refresh.grace', grace]),
    atLeast(['lifetimes.refreshAbsolute', refreshAbsolute], idle)
  ]
}

type Lifetime = readonly [option: string, seconds: number]

/** The rule that an option is at least as long as another. */
function atLeast ([option, seconds]: Lifetime, [other, least]: Lifetime) {
  return [
    seconds < least,
    `${option}: ${seconds} seconds are shorter than ${other}, which is ${least}. Change one of the two`
  ] as const
}
