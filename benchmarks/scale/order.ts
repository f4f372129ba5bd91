/** The broker's credentials at the provider. */
export const clientId = 'scale'
export const clientSecret = 'the secret of the scale runs at their provider'

/** The options of a broker, which shares its secret with others. */
export const brokerOptions = {
  clientId,
  clientSecret,
  secret: 'a secret that all of the instances have in common',
  setupProxies: true,
  requiredScopes: ['mcp:read']
} as const

/** The command line of an instance. */
export interface InstanceOrder {
  port: number
  /** The address of all instances. */
  publicUrl: string
  /** The provider. */
  issuer: string
  /** Port of the shared Redis, or null for one memory store each. */
  redis: number | null
}
