// Copies code and test titles into the documentation: `npm run docs:sync`.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { evidence, pages, read, root, synchronized } from './docs.ts'

for (const name of [...pages, evidence]) {
  const text = synchronized(name)
  if (text === read(name)) continue
  writeFileSync(join(root, name), text)
  console.log(name)
}
