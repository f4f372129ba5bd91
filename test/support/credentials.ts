import { createHash, randomBytes } from 'node:crypto'

// Which secrets and URLs do all tests share? Secrets begin with `canary`, so that a leak is found.

export const publicUrl = 'https://mcp.example.com'

/** The registration at the provider. Its secret needs encoding in a Basic header and in a form. */
export const providerClient = {
  clientId: 'broker',
  clientSecret: `canary-client-secret:${randomBytes(12).toString('hex')}/+`
}

/**
 * The registration of the thin proxies. Its secret has a character outside ASCII, which some
 * providers refuse.
 */
export const thinClient = {
  clientId: 'thin-client',
  clientSecret: `${providerClient.clientSecret}ä`
}

/** The option `secret`. */
export const secret = `canary-sealing-secret-${randomBytes(12).toString('hex')}`

export const loopbackUri = 'http://127.0.0.1:4711/callback'
export const webUri = 'https://app.example/cb'
export const verifier = randomBytes(32).toString('base64url')
export const challenge = createHash('sha256').update(verifier).digest('base64url')

/** Secrets of a login at the provider, without a consent page they follow from. */
export const loginSecrets = { verifier, nonce: 'nonce-of-a-login' }
