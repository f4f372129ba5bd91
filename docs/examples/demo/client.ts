import { randomUUID } from 'node:crypto'
import {
  discoverAuthorizationServerMetadata,
  refreshAuthorization,
  UnauthorizedError,
  type OAuthClientProvider
} from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type {
  OAuthClientInformationMixed,
  OAuthClientMetadata,
  OAuthTokens
} from '@modelcontextprotocol/sdk/shared/auth.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { headlessLogin, type LoginOptions, type LoginResult } from './browser.ts'

export interface HeadlessOAuthOptions extends Omit<LoginOptions, 'stopAt'> {
  /**
   * Nothing listens there: the login ends when the browser is about to go. Defaults to
   * `http://127.0.0.1:4711/callback`.
   */
  redirectUrl?: string
  /** Overrides what the client registers with. */
  metadata?: Partial<OAuthClientMetadata>
  /** A registration made beforehand; without it the client registers itself. */
  client?: OAuthClientInformationMixed
  /** URL of the client's metadata document, for servers that take one as a client id. */
  clientMetadataUrl?: string
}

/**
 * An OAuth provider for the official SDK's client whose user is a script. It shows what the flow
 * left behind.
 */
export interface HeadlessOAuth extends OAuthClientProvider {
  client: OAuthClientInformationMixed | undefined
  token: OAuthTokens | undefined
  login: LoginResult | undefined
}

export function headlessOAuth (options: HeadlessOAuthOptions = {}): HeadlessOAuth {
  const redirectUrl = options.redirectUrl ?? 'http://127.0.0.1:4711/callback'
  const state = randomUUID()
  let verifier = ''
  return {
    client: options.client,
    token: undefined,
    login: undefined,
    redirectUrl,
    clientMetadata: {
      client_name: 'Headless client',
      redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      ...options.metadata
    },
    ...options.clientMetadataUrl !== undefined && { clientMetadataUrl: options.clientMetadataUrl },
    state: () => state,
    clientInformation () {
      return this.client
    },
    saveClientInformation (client) {
      this.client = client
    },
    tokens () {
      return this.token
    },
    saveTokens (token) {
      this.token = token
    },
    saveCodeVerifier (value) {
      verifier = value
    },
    codeVerifier: () => verifier,
    async redirectToAuthorization (url) {
      this.login = await headlessLogin(url, { ...options, stopAt: redirectUrl })
      if (this.login.error !== null) {
        throw new Error(`The authorization server answered ${this.login.error}`)
      }
      if (this.login.state !== state) {
        throw new Error('The state that came back is not the one that was sent')
      }
    }
  }
}

export interface ConnectOptions {
  /** Defaults to a new `headlessOAuth()`. */
  oauth?: HeadlessOAuth
  /** What the transport fetches with, discovery and token requests included. */
  fetch?: typeof fetch
}

/** Connects the official SDK's client to an MCP server, logging in when asked to. */
export async function connectClient (
  url: string | URL,
  { oauth = headlessOAuth(), fetch }: ConnectOptions = {}
): Promise<Client> {
  const client = new Client({ name: 'headless-client', version: '1.0.0' })
  const open = () =>
    new StreamableHTTPClientTransport(new URL(url), { authProvider: oauth, ...fetch && { fetch } })
  // The SDK is not written for exactOptionalPropertyTypes: its own transport does not fit its own
  // interface.
  const connect = async (transport: StreamableHTTPClientTransport) =>
    await client.connect(transport as Transport)

  const first = open()
  try {
    await connect(first)
  } catch (error) {
    if (!(error instanceof UnauthorizedError) || !oauth.login?.code) throw error
    await first.finishAuth(oauth.login.code)
    await connect(open())
  }
  return client
}

/** Trades the refresh token for new tokens, as clients do when the access token is about to end. */
export async function refresh (
  authorizationServer: string,
  oauth: HeadlessOAuth,
  fetch?: typeof globalThis.fetch
): Promise<void> {
  const { client, token } = oauth
  if (!client || token?.refresh_token === undefined) throw new Error('There is no refresh token')
  const metadata = await metadataOf(authorizationServer)
  oauth.token = await refreshAuthorization(authorizationServer, {
    metadata,
    clientInformation: client,
    refreshToken: token.refresh_token,
    ...fetch && { fetchFn: fetch }
  })
}

/** Ends what the user allowed (RFC 7009): the refresh token and all that came of it. */
export async function revoke (
  authorizationServer: string,
  { client, token }: HeadlessOAuth,
  fetch = globalThis.fetch
): Promise<void> {
  const { revocation_endpoint: endpoint } = await metadataOf(authorizationServer) as {
    revocation_endpoint?: string
  }
  if (endpoint === undefined) throw new Error('The authorization server revokes no tokens')
  await fetch(endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: client?.client_id ?? '',
      token: token?.refresh_token ?? ''
    })
  })
}

async function metadataOf (authorizationServer: string) {
  const metadata = await discoverAuthorizationServerMetadata(authorizationServer)
  if (!metadata) throw new Error(`${authorizationServer} has no metadata`)
  return metadata
}
