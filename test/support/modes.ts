import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { McpOAuthError, jwtVerifier, type McpOAuthOptions } from '../../lib/index.ts'
import { scopesMember } from '../../lib/mcp/access/tool-scopes.ts'
import { buildApp } from './app.ts'
import { startFlow } from './flow.ts'
import { startIssuer } from './issuer.ts'
import { startThin } from './thin.ts'

/**
 * A registration in one of the modes. Its MCP route requires `mcp:read`, and the tool `write` also
 * requires `mcp:write`.
 */
export interface RunningMode {
  /** The origin of the listening socket. */
  origin: string
  /** Path of the MCP route. */
  path: string
  /** The published URL of the MCP route. */
  resource: string
  /** URL of the protected resource metadata, null without an authorization server. */
  metadataUrl: string | null
  /** The authorization servers in the metadata. */
  issuers: string[]
  /** A valid token. */
  token(scope?: string): Promise<string>
  /** The number of tool calls that ran, by name. */
  calls: string[]
}

type Start = (t: TestContext, options?: Partial<McpOAuthOptions>) => Promise<RunningMode>

/** Two tools. One requires more scopes than the route. */
function server (calls: string[]): McpServer {
  const server = new McpServer({ name: 'test', version: '1.0.0' })
  for (const [name, scopes] of [['read', []], ['write', ['mcp:write']]] as const) {
    server.registerTool(name, { _meta: { [scopesMember]: scopes } }, async () => {
      calls.push(name)
      return { content: [{ type: 'text', text: 'done' }] }
    })
  }
  return server
}

/** A mode without an authorization server: the options contain the check of tokens. */
function plain (
  optionsFor: (issuer: string) => Partial<McpOAuthOptions>,
  issuers: (issuer: string) => string[],
  opaque = false
): Start {
  return async (t, more = {}) => {
    const calls: string[] = []
    const provider = await startIssuer()
    const options = {
      requiredScopes: ['mcp:read'],
      ...optionsFor(provider.issuer),
      ...more,
      mcp: { server: server(calls), ...more.mcp }
    } as McpOAuthOptions
    const { origin, mcpUrl, app } = await buildApp(t, options, { closeLast: provider })
    const { resource, metadataUrl } = app.mcpOAuth
    return {
      origin,
      path: new URL(mcpUrl).pathname,
      resource,
      metadataUrl,
      issuers: issuers(provider.issuer),
      calls,
      token: async (scope = 'mcp:read') =>
        opaque ? opaqueToken(scope) : await provider.mint({ aud: resource, scope })
    }
  }
}

/** Opaque tokens and their scopes. */
const scopesByToken = new Map<string, string[]>()

function opaqueToken (scope: string): string {
  const token = randomUUID()
  scopesByToken.set(token, scope.split(' '))
  return token
}

function opaqueCaller (token = '') {
  const scopes = scopesByToken.get(token)
  return scopes === undefined ? null : { token, clientId: 'client', subject: 'alice', scopes }
}

const broker: Start = async (t, options = {}) => {
  const calls: string[] = []
  const flow = await startFlow(t, {
    options: { ...options, mcp: { server: server(calls), ...options.mcp } }
  })
  const { resource, metadataUrl } = flow.app.mcpOAuth
  const path = `${options.prefix ?? ''}${options.mcp?.path ?? '/mcp'}`
  return {
    origin: flow.origin,
    path,
    resource,
    metadataUrl,
    issuers: [flow.base],
    calls,
    token: async (scope = 'mcp:read') =>
      (await flow.tokens(await flow.register(), { params: { scope, resource } })).access_token
  }
}

const thin: Start = async (t, options = {}) => {
  const calls: string[] = []
  const { app, origin, base, issuer } = await startThin(t, {
    options: {
      requiredScopes: ['mcp:read'],
      ...options,
      mcp: { server: server(calls), ...options.mcp }
    }
  })
  const { resource, metadataUrl } = app.mcpOAuth
  return {
    origin,
    path: new URL(resource).pathname,
    resource,
    metadataUrl,
    issuers: [base],
    calls,
    token: async (scope = 'mcp:read') => await issuer.mint({ aud: resource, scope })
  }
}

const self = (issuer: string) => [issuer]
const verified = (issuer: string) => ({ tokens: jwtVerifier({ issuer }) })

/** Every mode that checks its callers. */
export const modes: Readonly<Record<string, Start>> = {
  'a resource server': plain(issuer => ({ issuer }), self),
  'the broker': broker,
  'the thin proxies': thin,
  'custom metadata': plain(issuer => ({
    customOAuthMetadata: {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`
    },
    ...verified(issuer)
  }), self),
  'a guard with the verifier of an issuer': plain(verified, self),
  'a guard with a verifier of no issuer': plain(
    () => ({ tokens: async (token) => opaqueCaller(token) }),
    () => [],
    true
  ),
  'a guard with a dependency': plain(
    () => ({
      dependencies: [({ headers: { authorization = '' } }) => {
        const caller = opaqueCaller(/^bearer (.*)$/i.exec(authorization)?.[1])
        if (caller === null) throw new McpOAuthError('invalidToken')
        return caller
      }]
    }),
    () => [],
    true
  )
}
