/** The size of a sweep: all rounds in `npm run test:long`, a tenth otherwise. */
export function sweep (full: number): number {
  return process.env['SWEEP'] === 'full' ? full : Math.ceil(full / 10)
}
