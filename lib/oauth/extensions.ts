/** Which extensions of MCP are on, and by which names do we declare them (SEP-2133)? */
import type { GrantType } from '../types.ts'
import { idJagProfile } from './grant-types.ts'

/** The options that switch extensions on. */
export interface ExtensionOptions {
  trustedIssuers: readonly unknown[]
  clients: ReadonlyArray<{ grantTypes?: readonly GrantType[] | undefined }>
}

/** Workload identity federation has no line: only the official suite has an id for it. */
const extensions: ReadonlyArray<{
  id: string
  /** In the member `authorization_grant_profiles_supported` of the metadata. */
  profile?: string
  isOn: (options: ExtensionOptions) => boolean
}> = [
  {
    id: 'io.modelcontextprotocol/enterprise-managed-authorization',
    profile: idJagProfile,
    isOn: ({ trustedIssuers }) => trustedIssuers.length > 0
  },
  {
    id: 'io.modelcontextprotocol/oauth-client-credentials',
    isOn: ({ clients }) =>
      clients.some(({ grantTypes }) => grantTypes?.includes('client_credentials'))
  }
]

/**
 * Returns the extensions that are on, without settings, as capabilities of the server declare them,
 * and their grant profiles.
 */
export function extensionsOf (options: ExtensionOptions) {
  const on = extensions.filter(({ isOn }) => isOn(options))
  return {
    capabilities: Object.fromEntries(on.map(({ id }) => [id, {}])),
    profiles: on.flatMap(({ profile = [] }) => profile)
  }
}
