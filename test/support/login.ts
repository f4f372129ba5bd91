import type { OAuthMetadata } from '@modelcontextprotocol/sdk/shared/auth.js'

/** The browser and the official SDK's client, as the demo uses them. */
export * from '../../docs/examples/demo/browser.ts'
export * from '../../docs/examples/demo/client.ts'

/** The metadata of an issuer, at the URL of RFC 8414. */
export async function metadataOf (issuer: string): Promise<OAuthMetadata> {
  const { origin, pathname } = new URL(issuer)
  return await (await fetch(
    `${origin}/.well-known/oauth-authorization-server${pathname === '/' ? '' : pathname}`
  )).json() as OAuthMetadata
}
