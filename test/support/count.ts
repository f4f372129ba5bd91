import { readFileSync, readdirSync } from 'node:fs'

// Counts the assertions in the test files: `npm run test:count [-- part of a path]`.

const [part = ''] = process.argv.slice(2)
const folder = new URL('../', import.meta.url)
const counts = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.ts') && name.includes(part))
  .map(name => {
    const found = readFileSync(new URL(name, folder), 'utf8').match(/\bassert(?:\.[a-zA-Z]*)?\(/g)
    return { name, count: found?.length ?? 0 }
  })

for (const { name, count } of counts.sort((a, b) => a.name.localeCompare(b.name))) {
  if (count > 0) console.log(`${String(count).padStart(5)} test/${name}`)
}
console.log(`${String(counts.reduce((sum, { count }) => sum + count, 0)).padStart(5)} in all`)
