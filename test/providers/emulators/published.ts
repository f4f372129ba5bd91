import { readFileSync } from 'node:fs'

/**
 * The metadata that a provider published: a file of test/providers/metadata.
 *
 * @param replacements texts, each with the one that takes its place, such as another tenant's name
 */
export function publishedMetadata (
  name: string,
  ...replacements: ReadonlyArray<readonly [string, string]>
): Record<string, unknown> {
  const file = new URL(`../metadata/${name}.json`, import.meta.url)
  const text = replacements.reduce(
    (text, [from, to]) => text.replaceAll(from, to),
    readFileSync(file, 'utf8')
  )
  return JSON.parse(text)
}
