import type { TestContext } from 'node:test'
import { matrix, type Harness, type MatrixOptions } from './matrix.ts'

export type { Harness as Place, HarnessSetup as PlacedSetup } from './matrix.ts'

/** @deprecated */
export function everywhere (
  name: string,
  run: (harness: Harness, t: TestContext) => Promise<void>,
  { inTurn, ...options }: MatrixOptions & { inTurn?: boolean } = {}
): void {
  matrix(name, run, { ...options, ...inTurn && { serial: true } })
}
