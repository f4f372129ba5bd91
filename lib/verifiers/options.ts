/** Which options do the verifiers have in common? */
import { maxIssuerSkewSeconds, tokenCacheSeconds } from '../limits.ts'
import { audiences, logger, optional, seconds, url } from '../options/fields.ts'
import type { Log } from '../types.ts'

/** Options of `jwtVerifier` and `introspectionVerifier`. */
export interface VerifierOptions {
  /** Issuer of the tokens (`iss`), compared byte for byte. */
  issuer: string
  /** URL of the metadata of the issuer. Defaults to discovery. */
  metadataUrl?: string | undefined
  /** Accepted audiences (`aud`) in addition to the URL of the MCP route. */
  audience?: string | readonly string[] | undefined
  /** Seconds by which clocks may differ, 0 to 120. Defaults to 30. */
  clockTolerance?: number | undefined
  /**
   * Seconds for which a valid token is cached, at most 60, never past its expiry; 0 verifies each
   * request. Meanwhile a revoked token stays valid. Defaults to 60 for JWTs, 0 for introspection.
   */
  cacheFor?: number | undefined
  /** Logger of failed requests to the issuer. */
  log?: Log | undefined
}

export const commonFields = {
  issuer: url({ query: false }),
  metadataUrl: optional(url()),
  audience: audiences,
  clockTolerance: optional(seconds(0, maxIssuerSkewSeconds)),
  cacheFor: optional(seconds(0, tokenCacheSeconds)),
  log: logger
}
