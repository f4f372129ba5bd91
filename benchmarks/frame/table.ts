import type { Measured } from './slices.ts'

/** The statistics of a contender. Ratios are those to the first one in the same round. */
export interface Row {
  name: string
  status: number
  rate: Statistics
  /** Microseconds of CPU time per request. */
  cpu: Statistics
  rateRatio: Statistics
  cpuRatio: Statistics
}

interface Statistics {
  median: number
  min: number
  max: number
}

export function rowsOf (measured: readonly Measured[]): Row[] {
  const [first] = measured
  if (first === undefined) return []
  return measured.map(({ name, status, rates, costs }) => ({
    name,
    status,
    rate: statistics(rates),
    cpu: statistics(costs),
    rateRatio: statistics(rates.map((rate, round) => rate / (first.rates[round] ?? NaN))),
    cpuRatio: statistics(costs.map((cost, round) => cost / (first.costs[round] ?? NaN)))
  }))
}

/** The statistics of CPU times alone, by contender. */
export function costRowsOf (costs: Readonly<Record<string, number[]>>) {
  const [first = []] = Object.values(costs)
  return Object.entries(costs).map(([name, own]) => ({
    name,
    cpu: statistics(own),
    cpuRatio: statistics(own.map((cost, round) => cost / (first[round] ?? NaN)))
  }))
}

/** Makes a Markdown table of CPU times. */
export function costTable (rows: ReturnType<typeof costRowsOf>): string {
  return markdown(
    ['', 'CPU µs/req', '× CPU (spread)'],
    rows.map(({ name, cpu, cpuRatio }) => [name, format(cpu.median), withSpread(cpuRatio)])
  )
}

/** Makes a Markdown table: medians, and the spread of the ratios. */
export function table (rows: readonly Row[]): string {
  return markdown(
    ['', 'req/s', 'CPU µs/req', '× req/s (spread)', '× CPU (spread)'],
    rows.map(({ name, rate, cpu, rateRatio, cpuRatio }) => [
      name,
      format(rate.median),
      format(cpu.median),
      withSpread(rateRatio),
      withSpread(cpuRatio)
    ])
  )
}

export function markdown (head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = head.map((_cell, index) => index === 0 ? '---' : '--:')
  return [head, line, ...rows].map(row => `| ${row.join(' | ')} |`).join('\n')
}

export function statistics (values: readonly number[]): Statistics {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

function withSpread ({ median, min, max }: Statistics): string {
  return `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`
}

function median (values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2
}

export function format (value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
