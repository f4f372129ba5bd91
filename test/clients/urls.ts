// Where do most clients look for metadata? MCP 2025-11-25, Authorization, and RFC 8414 §3.1.

/** The challenge's URL, then the well-known ones with and without the path. */
export const resourceUrls = [
  '{challenge}',
  '{mcp.origin}/.well-known/oauth-protected-resource{mcp.path}',
  '{mcp.origin}/.well-known/oauth-protected-resource'
] as const

/** OAuth, then OpenID Connect with the path after and before the well-known part. */
export const serverUrls = [
  '{issuer.origin}/.well-known/oauth-authorization-server{issuer.path}',
  '{issuer.origin}/.well-known/openid-configuration{issuer.path}',
  '{issuer.origin}{issuer.path}/.well-known/openid-configuration'
] as const

/** The same, and the OAuth one of the origin after the first. */
export const serverUrlsWithRoot = [
  '{issuer.origin}/.well-known/oauth-authorization-server{issuer.path}',
  '{issuer.origin}/.well-known/oauth-authorization-server',
  '{issuer.origin}/.well-known/openid-configuration{issuer.path}',
  '{issuer.origin}{issuer.path}/.well-known/openid-configuration'
] as const

/** The same, and the OAuth one of the origin after all others: as the Rust SDK does. */
export const serverUrlsWithRootLast = [
  ...serverUrls,
  '{issuer.origin}/.well-known/oauth-authorization-server'
] as const
