/** How is a document sent that clients and caches may have already (RFC 9110 §8.8.3, §12.5.3)? */
import { brotliCompressSync, gzipSync } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { hash } from '../util/hash.ts'

/** A smaller response fits into one packet, however it is encoded. */
const minCompressedBytes = 1_400

/** Content codings, the better one first. */
const encoders: Record<string, (text: string) => Buffer> = {
  br: brotliCompressSync,
  gzip: gzipSync
}

/** A document in one content coding, with its headers. */
interface Representation {
  body: string | Buffer
  headers: Record<string, string>
}

/**
 * Creates the sender of one document. Tags and compressed bodies are kept until its text changes.
 *
 * @param headers of the response, without those of the content coding and the tag
 */
export function createSender (headers: Record<string, string>) {
  let text: string | undefined
  let etag = ''
  const kept = new Map<string, Representation>()

  function representation (coding: string) {
    const known = kept.get(coding)
    if (known) return known
    const body = String(text)
    const encode = encoders[coding]
    const isLarge = body.length >= minCompressedBytes
    const created = {
      body: encode ? encode(body) : body,
      headers: {
        ...headers,
        etag,
        ...(isLarge && { vary: 'Accept-Encoding' }),
        ...(encode && { 'content-encoding': coding })
      }
    }
    kept.set(coding, created)
    return created
  }

  return (current: string, { headers: sent }: FastifyRequest, reply: FastifyReply) => {
    if (current !== text) {
      text = current
      // Weak, as all codings have it, also that of a hook of the host which compresses.
      etag = `W/"${hash(text).slice(0, 27)}"`
      kept.clear()
    }
    const { 'accept-encoding': accepted, 'if-none-match': known } = sent
    const isCompressed = accepted !== undefined && text.length >= minCompressedBytes
    const { body, headers } = representation(isCompressed ? bestCoding(String(accepted)) : '')
    reply.headers(headers)
    if (known === undefined || !isMatch(known, etag)) return reply.send(body)
    return reply.code(304).removeHeader('content-type').removeHeader('content-encoding').send()
  }
}

/** Whether a client has a document (RFC 9110 §13.1.2). Tags are compared weakly. */
function isMatch (known: string, etag: string) {
  return known.trim() === '*' ||
    [...known.matchAll(/"[^"]*"/g)].some(([tag]) => tag === etag.slice(2))
}

/** Returns the coding that a client prefers (RFC 9110 §12.5.3): its name, or '' for none. */
function bestCoding (accepted: string) {
  const weights = new Map(
    accepted.toLowerCase().split(',').map(entry => {
      const [name = '', weight] = entry.split(/;\s*q=/)
      return [name.trim(), weight === undefined ? 1 : Number(weight) || 0] as const
    })
  )
  const weightOf = (name: string) => weights.get(name) ?? weights.get('*') ?? 0
  const best = Object.keys(encoders).reduce((a, b) => weightOf(b) > weightOf(a) ? b : a)
  return weightOf(best) > 0 && weightOf(best) >= (weights.get('identity') ?? 0) ? best : ''
}
