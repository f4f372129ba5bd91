// npm run build. TypeScript writes the types. esbuild writes the code in few files, which load
// faster than 150: dependencies stay imports, names stay, and source maps lead to lib.
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { build } from 'esbuild'

const compiler = 'node_modules/typescript-7/bin/tsc'

rmSync('dist', { recursive: true, force: true })
execFileSync(process.execPath, [compiler, '--emitDeclarationOnly'], { stdio: 'inherit' })
await build({
  entryPoints: ['lib/index.ts', 'lib/providers/index.ts', 'lib/store/redis.ts'],
  outbase: 'lib',
  outdir: 'dist',
  chunkNames: 'parts/[name]-[hash]',
  bundle: true,
  splitting: true,
  packages: 'external',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  sourcesContent: false
})
