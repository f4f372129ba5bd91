/**
 * Every timeout, lifetime, size and tolerance of this package: one line, one unit, one reason.
 *
 * Names end in their unit: `Ms` (milliseconds), `Seconds`, `Bytes`, `Chars`; counts have none.
 * `test/limits.test.ts` states which limit must exceed which.
 */

// Requests of ours to others: lib/http

// The identity provider: lib/provider

// The store: lib/store

// Parameters and metadata (RFC 6749, RFC 7591): lib/oauth

/** Codes and refresh tokens are sealed; this fits the longest that we issue. */
export const maxGrantChars = 16_384

// Options: lib/options

// Clients and their metadata documents: lib/clients

// Logins and pages: lib/broker/endpoints, lib/pages

// Tokens of the broker: lib/broker

// DPoP (RFC 9449): lib/dpop

// Verification of access tokens: lib/verifiers

// Thin proxies: lib/thin-proxy

// The MCP route: lib/mcp
export {}
