import type { Measured } from './slices.ts'

/**
 * Makes a Markdown table: medians, spread, and the ratio of each slice to the slice of the first
 * contender in the same round.
 */
export function table (measured: readonly Measured[]): string {
  const first = measured[0]
  if (first === undefined) return ''
  const rows = measured.map(({ name, rates, costs }) => {
    const ratios = rates.map((rate, round) => rate / (first.rates[round] ?? NaN))
    return [
      name,
      format(median(rates)),
      `${format(Math.min(...rates))}–${format(Math.max(...rates))}`,
      format(median(costs)),
      ratio(ratios)
    ]
  })
  return [['', 'req/s', 'spread', 'CPU µs/req', 'ratio (spread)'], [
    '---',
    '--:',
    '--:',
    '--:',
    '--:'
  ], ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

function ratio (ratios: readonly number[]): string {
  return `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${
    Math.max(...ratios).toFixed(2)
  })`
}

function median (values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2
}

function format (value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
