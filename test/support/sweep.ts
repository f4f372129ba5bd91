/**
 * The size of a sweep: all of it in `npm run test:long`, a fifth elsewhere.
 *
 * @param full rounds, or runs of a property
 */
export function sweep (full: number): number {
  return process.env['SWEEP'] === 'full' ? full : Math.ceil(full / 5)
}
