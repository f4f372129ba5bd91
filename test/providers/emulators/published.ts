import { readFileSync } from 'node:fs'

/** The metadata that a provider published: a file of test/providers/metadata. */
export function publishedMetadata (name: string): Record<string, unknown> {
  const file = new URL(`../metadata/${name}.json`, import.meta.url)
  return JSON.parse(readFileSync(file, 'utf8'))
}
