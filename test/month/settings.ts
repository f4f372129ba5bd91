import type { MonthSetup } from './month.ts'

const store = { shared: 'process', onReuse: 'revoke', strict: true } as const
const memory = { onReuse: 'revoke' } as const
const thieves = { shared: 'process', onReuse: 'revoke', robbed: true } as const

/** The settings of `npm run month`. Users of those with thieves are robbed, one after the other. */
export const settings: Record<string, Omit<MonthSetup, 'seed' | 'days' | 'users'>> = {
  redis: { ...store, shared: 'redis' },
  'store, late processes, revoke': { ...store, late: true },
  'store, late processes, refuse': { ...store, late: true, onReuse: 'refuse' },
  'store, lost rotations': { ...store, lossy: true },
  memory,
  'memory, strict provider': { ...memory, strict: true },
  'memory, sticky sessions': { ...memory, sticky: true },
  'memory, late processes, refuse': { ...memory, late: true, onReuse: 'refuse' },
  'thieves, revoke': thieves,
  'thieves, refuse': { ...thieves, onReuse: 'refuse' },
  'thieves, grace of 1 hour': { ...thieves, grace: 3_600 },
  'thieves, grace of 1 day': { ...thieves, grace: 86_400 },
  'thieves, memory': { ...memory, robbed: true }
}
