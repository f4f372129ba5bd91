import fc from 'fast-check'

const surrogates = { first: 0xd800, count: 0x800 }

/** Any character. fast-check's own `binary` unit takes long to be built. */
export const anyCharacter = fc
  .nat(0x10ffff - surrogates.count)
  .map(n => String.fromCodePoint(n < surrogates.first ? n : n + surrogates.count))

const urlText = fc.string({
  unit: fc.constantFrom(...'aZ09-._~!$&+,;=:@', '%20', '%2e', '%C3%A9', '..'),
  maxLength: 10
})

/** A URL with a query and a fragment, not always in normal form. */
export const webUrl = fc
  .tuple(fc.domain(), fc.array(urlText, { maxLength: 5 }), fc.option(urlText), fc.option(urlText))
  .map(([host, path, query, fragment]) =>
    `https://${[host, ...path].join('/')}` +
    `${query === null ? '' : `?${query}`}${fragment === null ? '' : `#${fragment}`}`
  )
