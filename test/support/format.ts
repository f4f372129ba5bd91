// Formats the sources by .dprint.json. With --check it only names the files that are not formatted.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createFromBuffer } from '@dprint/formatter'

const root = join(import.meta.dirname, '../..')
const check = process.argv.includes('--check')
const { typescript, ...global } = JSON.parse(readFileSync(join(root, '.dprint.json'), 'utf8'))
const plugin = createRequire(import.meta.url).resolve('@dprint/typescript/plugin.wasm')
const formatter = createFromBuffer(readFileSync(plugin))
formatter.setConfig(global, typescript)

const files = ['lib', 'test', 'benchmarks', 'docs/examples'].flatMap(folder =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts') && !name.includes('node_modules'))
    .map(name => join(folder, name))
)
for (const filePath of files) {
  const fileText = readFileSync(join(root, filePath), 'utf8')
  const formatted = formatter.formatText({ filePath, fileText })
  if (formatted === fileText) continue
  console.log(check ? `${filePath} is not formatted. Run npm run lint:fix` : filePath)
  if (check) process.exitCode = 1
  else writeFileSync(join(root, filePath), formatted)
}
