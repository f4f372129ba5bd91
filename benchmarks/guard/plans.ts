import type { Comparison } from './compare.ts'

const guard = new URL('server.ts', import.meta.url)
const discovery = new URL('../discovery/server.ts', import.meta.url)

/** Comparisons of CPU time for `compare()`. The ratios are those to the first contender. */
export const plans: Record<string, Comparison> = {
  'tools/call on mcp.server, by token': {
    rounds: 9,
    count: 3_000,
    contenders: {
      'no guard': [guard, 'none'],
      'a known token': [guard, 'known'],
      'a new token (RS256)': [guard, 'unknown'],
      'no guard, and jwtVerify of jose in a hook': [guard, 'jose'],
      DPoP: [guard, 'dpop'],
      'no guard, and the signature of a DPoP proof alone': [guard, 'ecdsa']
    }
  },
  'refusals of POST /mcp': {
    rounds: 9,
    count: 3_000,
    contenders: {
      'a bare route, 401': [guard, 'bare'],
      'no token': [guard, 'missing'],
      'a wrong signature': [guard, 'signature'],
      'an expired token': [guard, 'expired'],
      'another audience': [guard, 'audience'],
      'no JWT': [guard, 'opaque']
    }
  },
  ...Object.fromEntries(
    ['resource', 'server', 'keys'].map(document => [`discovery: ${document}`, {
      rounds: 9,
      count: 3_000,
      contenders: {
        'a bare route with the same bytes': [discovery, `bare ${document}`],
        'this plugin': [discovery, `ours ${document}`]
      }
    }])
  )
}
