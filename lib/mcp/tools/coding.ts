/** How is the body of a response read that the route compressed? */

import { promisify } from 'node:util'
import { brotliDecompress, unzip } from 'node:zlib'

const inflate = promisify(unzip)

/** The content codings of HTTP (RFC 9110 §8.4.1). */
const decoders = new Map<string, (body: Buffer, options: object) => Promise<Buffer>>([
  ['gzip', inflate],
  ['x-gzip', inflate],
  ['deflate', inflate],
  ['br', promisify(brotliDecompress)],
  ['identity', async body => body]
])

/**
 * Undoes the content codings of a body.
 *
 * @param coding the header `content-encoding`
 * @returns `null` if the content exceeds the limit, `undefined` if it cannot be decoded
 */
export async function decodeBody (body: Buffer, coding: unknown, maxOutputLength: number) {
  let content = body
  try {
    for (const name of String(coding).toLowerCase().split(',').reverse()) {
      const decode = decoders.get(name.trim())
      if (decode === undefined) return undefined
      content = await decode(content, { maxOutputLength })
    }
    return content
  } catch (error) {
    return Object(error).code === 'ERR_BUFFER_TOO_LARGE' ? null : undefined
  }
}
