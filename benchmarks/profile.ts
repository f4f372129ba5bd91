import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { profile } from './frame/slices.ts'
import { markdown } from './frame/table.ts'
import { plans } from './plans.ts'

// npm run bench:profile [-- part of a contender's name] [seconds]: where does a contender spend its
// time? Prints the twenty functions with the most time of their own, and writes a flame graph to
// reports/profile.svg. The .cpuprofile beside it opens in the developer tools of a browser.

/** A profile of V8: nodes of the call tree, and the node that each sample was in. */
interface Profile {
  nodes: Node[]
  samples: number[]
  timeDeltas: number[]
}

interface Node {
  id: number
  callFrame: { functionName: string, url: string, lineNumber: number }
  children?: number[]
  /** Microseconds, without and with what it calls. */
  self: number
  total: number
}

const [part = 'mcp.server, modern client', seconds = '5'] = process.argv.slice(2)
const contenders = Object.assign({}, ...Object.values(plans))
const name = Object.keys(contenders).find(name => name.includes(part))
if (name === undefined) {
  throw new Error(
    `No contender is named ${part}. There are:\n${Object.keys(contenders).join('\n')}`
  )
}

const folder = join(import.meta.dirname, '../reports')
mkdirSync(folder, { recursive: true })
const recorded = await profile(contenders[name], { seconds: Number(seconds) }) as Profile
writeFileSync(join(folder, 'profile.cpuprofile'), JSON.stringify(recorded))
const nodes = withTimes(recorded)
const all = nodes.get(1)?.total ?? 0

const own = new Map<string, number>()
for (const node of nodes.values()) {
  own.set(labelOf(node), (own.get(labelOf(node)) ?? 0) + node.self)
}
const top = [...own].sort(([, a], [, b]) => b - a).slice(0, 20)
console.log(`${name}, ${seconds} s\n`)
console.log(
  markdown(['function', '% of the time'], top.map(([label, time]) => [label, percent(time)]))
)
writeFileSync(join(folder, 'profile.svg'), flameGraph(nodes))
console.log('\nreports/profile.svg and reports/profile.cpuprofile')

/** Adds the time of each node, and of all it calls. */
function withTimes ({ nodes, samples, timeDeltas }: Profile): Map<number, Node> {
  const byId = new Map(nodes.map(node => [node.id, { ...node, self: 0, total: 0 }]))
  samples.forEach((id, index) => {
    const node = byId.get(id)
    const isIdle = node?.callFrame.functionName === '(idle)' ||
      node?.callFrame.functionName === '(program)'
    if (node && !isIdle) node.self += timeDeltas[index] ?? 0
  })
  const add = (node: Node): number => {
    node.total = (node.children ?? []).reduce(
      (sum, id) => sum + add(byId.get(id) as Node),
      node.self
    )
    return node.total
  }
  const root = byId.get(1)
  if (root) add(root)
  return byId
}

function labelOf ({ callFrame: { functionName, url, lineNumber } }: Node): string {
  const place = url.replace(
    /^.*\/(node_modules|lib|benchmarks)\//,
    (_all, folder: string) => folder === 'node_modules' ? '' : `${folder}/`
  )
  return `${functionName || '(anonymous)'}${place === '' ? '' : ` ${place}:${lineNumber + 1}`}`
}

function percent (time: number): string {
  return (100 * time / all).toFixed(1)
}

/** Draws the call tree: the width of a function is its time, its callees stand on it. */
function flameGraph (nodes: Map<number, Node>): string {
  const width = 1_600
  const height = 16
  const boxes: string[] = []
  let depth = 0
  const draw = (node: Node, x: number, level: number) => {
    const size = width * node.total / all
    if (size < 1) return
    depth = Math.max(depth, level)
    const label = labelOf(node).replace(/[&<>"]/g, character => `&#${character.charCodeAt(0)};`)
    const hue = node.callFrame.url.includes('node_modules')
      ? 200
      : node.callFrame.url.includes('/lib/')
      ? 20
      : 90
    boxes.push(
      `<svg x="${x.toFixed(1)}" y="${level * height}" width="${size.toFixed(1)}" ` +
        `height="${height - 1}"><title>${label}: ${percent(node.total)} %</title>` +
        `<rect width="100%" height="100%" fill="hsl(${hue} 70% ${70 + level % 3 * 5}%)"/>` +
        `<text x="2" y="11">${size > 30 ? label : ''}</text></svg>`
    )
    let left = x
    for (const id of node.children ?? []) {
      const child = nodes.get(id) as Node
      draw(child, left, level + 1)
      left += width * child.total / all
    }
  }
  const root = nodes.get(1)
  if (root) draw(root, 0, 0)
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${
    (depth + 1) * height
  }" font-family="sans-serif" font-size="10">${boxes.join('\n')}</svg>\n`
}
