/** The broker's credentials at the provider. */
export const clientId = 'scale'
export const clientSecret = 'the secret of the scale runs at their provider'

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
