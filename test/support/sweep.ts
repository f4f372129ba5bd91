/** The size of a sweep: all rounds in `npm run test:long`, a share of them otherwise. */
export function sweep (full: number, share = 10): number {
  return process.env['SWEEP'] === 'full' ? full : Math.ceil(full / share)
}
