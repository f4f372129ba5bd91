/** Our registration at the provider. */
export const clientId = 'scale'
export const clientSecret = 'the secret of the scale runs at their provider'

/** What an instance is told on its command line. */
export interface InstanceOrder {
  port: number
  /** The address all instances have in common. */
  publicUrl: string
  /** The provider. */
  issuer: string
  /** Port of the Redis they share, or null for none: each then remembers for itself. */
  redis: number | null
}
