/** By which URNs do clients and metadata name grants and profiles? */

export const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
export const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** In the member `authorization_grant_profiles_supported` (Identity Assertion Grant, §7.2). */
export const idJagProfile = 'urn:ietf:params:oauth:grant-profile:id-jag'
