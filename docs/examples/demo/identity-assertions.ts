import type { ProviderOptions } from './provider.ts'

const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
const parameters = (
  'audience resource scope requested_token_type subject_token subject_token_type'
).split(' ')
const tokenType = 'urn:ietf:params:oauth:token-type:'

/** A server for which the provider issues identity assertions. */
export interface AssertedServer {
  /** Its issuer identifier, and its MCP route. */
  audience: string
  resource: string
  /** The id that a client of the provider has there. */
  clientIds: Record<string, string>
  /** What an administrator lets its users do there. */
  scopes: string[]
}

/**
 * Options of the demo's provider that let it exchange ID tokens and refresh tokens of its clients
 * for identity assertions (ID-JAG), as providers of companies do.
 */
export function identityAssertions (
  servers: AssertedServer[]
): Pick<ProviderOptions, 'extend' | 'formats'> {
  const assertions = new WeakMap<object, object>()
  return {
    extend (provider) {
      provider.registerGrantType(exchange, async (context) => {
        const { client, params } = context.oidc
        const server = servers.find(({ audience, resource }) =>
          audience === params.audience.replace(/\/$/, '') &&
          (params.resource ?? resource) === resource
        )
        const accountId = await accountOf(provider, client, params)
        const clientId = server?.clientIds[client.clientId]
        if (params.requested_token_type !== `${tokenType}id-jag` || !server || !clientId) {
          return refuse(context, 'invalid_target')
        }
        if (!accountId) return refuse(context, 'invalid_grant')
        const wanted: string[] = params.scope?.split(' ') ?? server.scopes
        const scope = wanted.filter(name => server.scopes.includes(name)).join(' ')
        const { audience, resource } = server
        const token = new provider.AccessToken({ accountId, client, gty: exchange, scope })
        assertions.set(token, { client_id: clientId, resource })
        token.resourceServer = new provider.ResourceServer(audience, {
          audience,
          scope,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 300,
          jwt: { sign: { alg: 'RS256' } }
        })
        context.body = {
          access_token: await token.save(),
          issued_token_type: `${tokenType}id-jag`,
          token_type: 'N_A',
          scope,
          expires_in: 300
        }
      }, parameters)
    },
    formats: {
      customizers: {
        jwt (_context: unknown, token: object, jwt: { header?: object, payload: object }) {
          if (!assertions.has(token)) return
          jwt.header = { typ: 'oauth-id-jag+jwt' }
          jwt.payload = { ...jwt.payload, ...assertions.get(token) }
        }
      }
    }
  }
}

/** The user of an ID token or a refresh token that the client was issued. */
async function accountOf (
  provider: any,
  client: any,
  { subject_token: token, subject_token_type: type }: Record<string, string>
): Promise<string | undefined> {
  try {
    if (type === `${tokenType}id_token`) {
      const { payload } = await provider.IdToken.validate(token, client)
      return payload.exp > Date.now() / 1000 ? payload.sub : undefined
    }
    const found = await provider.RefreshToken.find(token)
    const isOwn = type === `${tokenType}refresh_token` && found?.clientId === client.clientId
    return isOwn && found.isValid ? found.accountId : undefined
  } catch {
    return undefined
  }
}

function refuse (context: any, error: string) {
  context.status = 400
  context.body = { error }
}
