/** By which URNs do clients and metadata name grants and profiles? */

export const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
export const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** Whether a client with these grants logs users in. Default: that of RFC 7591. */
export const hasLogins = (grantTypes: readonly string[] = ['authorization_code']) =>
  grantTypes.includes('authorization_code')

/** In the member `authorization_grant_profiles_supported` (Identity Assertion Grant, §7.2). */
export const idJagProfile = 'urn:ietf:params:oauth:grant-profile:id-jag'
