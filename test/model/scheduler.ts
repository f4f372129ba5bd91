import { createRandom } from '../support/random.ts'

// Walks the interleavings of a world: each path is a list of decisions, and a run from the start.

/** One way to go on: the next step of an operation, a fault, or time that passes. */
export interface Choice {
  /** The same in every run with the same decisions before. */
  name: string
  /** For people. */
  text: string
  /** Whose memory changes; -1 if that of all. */
  instance: number
  /** The state outside the instances that it reads or writes, divided by bars. Empty: none. */
  key: string
  writes: boolean
  /** Steps with the same number follow from one event. */
  batch: number
  /** Whose request it serves, in a scenario whose actors share nothing in memory. */
  actor?: number | undefined
  isFault: boolean
  apply(): void | Promise<void>
}

/** Decides at each step. The first choice is the default order. Null abandons the path. */
export type Decide = (choices: readonly Choice[]) => Choice | null

/** Runs one path, and returns the invariants that it broke. */
export type Run = (decide: Decide) => Promise<readonly string[]>

/** A broken invariant, and the decisions that lead to it. */
export interface Finding {
  problems: readonly string[]
  decisions: readonly string[]
}

/** The paths that were walked. */
export interface Walk {
  paths: number
  /** Paths that differed from others only in the order of independent steps. */
  pruned: number
  /** Whether all were walked that were to be. */
  isComplete: boolean
  findings: Finding[]
}

interface Node {
  open: Choice[]
  at: number
  sleep: readonly Choice[]
}

const maxFindings = 3

/**
 * Whether two steps can change places: they are of different instances, and at most read what the
 * other one uses; or reads that one request waits for together; or of actors that share nothing but
 * the circuit breakers, which only faults open. Two faults cannot, because each path has a limited
 * number of them.
 */
function areIndependent (a: Choice, b: Choice): boolean {
  if (a.instance === -1 || b.instance === -1) return false
  const areApart = a.actor !== b.actor && a.actor !== undefined && b.actor !== undefined
  if (a.instance === b.instance && (!areApart || a.isFault || b.isFault)) {
    return a.batch === b.batch && ![a, b].some(({ writes, isFault }) => writes || isFault)
  }
  if (a.isFault && b.isFault) return false
  const keys = b.key.split('|')
  return !a.key.split('|').some(key => key !== '' && keys.includes(key)) || (!a.writes && !b.writes)
}

/** Runs the paths that `pick` opens, depth first. */
async function walk (
  run: Run,
  limit: number,
  pick: (choices: readonly Choice[], nodes: readonly Node[]) => Node | null
): Promise<Walk> {
  const stack: Node[] = []
  const result: Walk = { paths: 0, pruned: 0, isComplete: true, findings: [] }
  do {
    let depth = 0
    let isPruned = false
    const decisions: string[] = []
    const problems = await run((choices) => {
      let node = stack[depth]
      if (node === undefined) {
        const next = pick(choices, stack)
        if (next === null) {
          isPruned = true
          return null
        }
        node = next
        stack.push(node)
      }
      depth++
      const name = node.open[node.at]?.name
      const choice = choices.find(candidate => candidate.name === name)
      if (choice === undefined) throw new Error(`The run is not deterministic: no step ${name}`)
      decisions.push(choice.text)
      return choice
    })
    if (isPruned) result.pruned++
    else result.paths++
    if (problems.length > 0) result.findings.push({ problems, decisions })
    let last = stack.at(-1)
    while (last !== undefined && ++last.at >= last.open.length) {
      stack.pop()
      last = stack.at(-1)
    }
  } while (
    stack.length > 0 && result.paths + result.pruned < limit && result.findings.length < maxFindings
  )
  result.isComplete = stack.length === 0
  return result
}

/**
 * Walks all lists of `depth` decisions; what follows runs in the default order. Of the orders of
 * independent steps one is walked (sleep sets, Godefroid 1996).
 */
export function walkDeep (run: Run, depth: number, limit = Infinity): Promise<Walk> {
  return walk(run, limit, (choices, nodes) => {
    const decided = nodes.filter(({ open }) => open.length > 1).length
    if (decided >= depth) return { open: choices.slice(0, 1), at: 0, sleep: [] }
    const parent = nodes.at(-1)
    const taken = parent?.open[parent.at]
    const sleep = parent && taken
      ? [...parent.sleep, ...parent.open.slice(0, parent.at)].filter(choice =>
        areIndependent(choice, taken)
      )
      : []
    const asleep = new Set(sleep.map(({ name }) => name))
    const open = choices.filter(({ name }) => !asleep.has(name))
    return open.length === 0 ? null : { open, at: 0, sleep }
  })
}

/**
 * Walks the default order, `singles` of the paths that leave it once, evenly spread, and `more`
 * random paths that leave it twice or more. The seed decides. It is complete if all were walked
 * that leave it once.
 */
export async function walkSample (
  run: Run,
  { singles, more, seed }: { singles: number, more: number, seed: number }
): Promise<Walk> {
  const random = createRandom(seed)
  const result: Walk = { paths: 0, pruned: 0, isComplete: true, findings: [] }

  /** Walks a path that takes other choices at some steps. */
  async function sample (choose: (step: number, choices: number) => number) {
    const decisions: string[] = []
    const problems = await run((choices) => {
      const choice = choices[choose(decisions.length, choices.length)] ?? choices[0] as Choice
      decisions.push(choice.text)
      return choice
    })
    result.paths++
    if (problems.length > 0) result.findings.push({ problems, decisions })
  }

  const others: Array<[step: number, choice: number]> = []
  await sample((step, choices) => {
    for (let choice = 1; choice < choices; choice++) others.push([step, choice])
    return 0
  })
  const gap = Math.max(1, others.length / singles)
  result.isComplete = gap === 1
  for (let index = 0; index < others.length && result.findings.length === 0; index += gap) {
    const [leftAt, choice] = others[Math.floor(index)] as [number, number]
    await sample(step => step === leftAt ? choice : 0)
  }
  for (let path = 0; path < more && result.findings.length === 0; path++) {
    const left = new Map(
      Array.from(
        { length: 2 + path % 3 },
        () => others[Math.floor(random() * others.length)] ?? [0, 0]
      )
    )
    await sample(step => left.get(step) ?? 0)
  }
  return result
}
