import { providerClient, secret, thinClient } from './credentials.ts'

// Does a response or a log contain a secret? Every secret of the tests begins with `canary`, and so
// does all text of hostile providers: one search finds each of them.

const encodings: ReadonlyArray<(value: string) => string> = [
  value => value,
  encodeURIComponent,
  value => new URLSearchParams({ '': value }).toString().slice(1),
  value => Buffer.from(value).toString('hex'),
  value => Buffer.from(value).toString('base64').replace(/=+$/, ''),
  value => Buffer.from(value).toString('base64url')
]

/**
 * The first characters of a canary, in each encoding. Base64 of 6 bytes ends at a whole character.
 */
const prefixes = new Set(encodings.map(encode => encode('canary')))

/** Secrets that are the same in every test, with Basic credentials made of them. */
const shared = [
  secret,
  providerClient.clientSecret,
  thinClient.clientSecret,
  'canary-upstream-text'
]

/** Basic credentials: the encoded text begins with the client id. */
const credentials = [providerClient, thinClient].flatMap(({ clientId, clientSecret }) =>
  [clientSecret, encodeURIComponent(clientSecret)].flatMap(value =>
    encodings.map(encode => encode(`${clientId}:${value}`))
  )
)

/** @returns the first secret, shared or one of `more`, that the text contains in any encoding. */
export function findCanary (text: string, more: Iterable<string> = []): string | undefined {
  const found = credentials.find(value => text.includes(value))
  if (
    found !== undefined || ![...prefixes].some(prefix => text.includes(prefix))
  ) { return found }
  return [...shared, ...more].find(canary =>
    encodings.some(encode => text.includes(encode(canary)))
  )
}
