/** The part of `oidc-provider` the demo uses; the package brings no types of its own. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export interface Interaction {
    uid: string
    grantId?: string
    params: Record<string, string | undefined>
    session?: { accountId: string }
    prompt: {
      name: string
      details: {
        missingOIDCScope?: string[]
        missingOIDCClaims?: string[]
        missingResourceScopes?: Record<string, string[]>
      }
    }
  }

  export interface Grant {
    addOIDCScope(scope: string): void
    addOIDCClaims(claims: string[]): void
    addResourceScope(resource: string, scope: string): void
    save(): Promise<string>
  }

  export interface Client {
    clientId: string
    clientName?: string
    grantTypeAllowed(grantType: string): boolean
  }

  export default class Provider {
    constructor (issuer: string, configuration: Record<string, unknown>)
    callback (): (request: IncomingMessage, response: ServerResponse) => Promise<void>
    interactionDetails (request: IncomingMessage, response: ServerResponse): Promise<Interaction>
    interactionFinished (
      request: IncomingMessage,
      response: ServerResponse,
      result: object
    ): Promise<void>
    registerGrantType (
      name: string,
      handler: (context: any) => Promise<void>,
      parameters: string[]
    ): void
    readonly AccessToken: any
    readonly IdToken: any
    readonly RefreshToken: any
    readonly ResourceServer: any
    readonly Client: { find(id: string): Promise<Client | undefined> }
    readonly Grant: {
      new(owner: { accountId: string, clientId: string }): Grant
      find(id: string): Promise<Grant | undefined>
    }
  }

  export const errors: { InvalidTarget: new(description?: string) => Error }
}
