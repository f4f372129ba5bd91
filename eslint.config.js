import neostandard, { resolveIgnoresFromGitignore } from 'neostandard'

export default [
  ...neostandard({ ts: true, noJsx: true, ignores: resolveIgnoresFromGitignore() }),
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      // The formatter (.dprint.json) indents and breaks lines.
      '@stylistic/indent': 'off',
      '@stylistic/generator-star-spacing': 'off',
      '@stylistic/yield-star-spacing': 'off',
      '@stylistic/semi-spacing': 'off',
      '@stylistic/max-len': ['error', { code: 120, comments: 100 }]
    }
  }
]
