import { randomUUID } from 'node:crypto'
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/sdk/server/mcp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import {
  SubscribeRequestSchema,
  UnsubscribeRequestSchema
} from '@modelcontextprotocol/sdk/types.js'
import type { McpAuth } from '../../../lib/index.ts'
import type { FetchHandler } from '../../../lib/options/mcp.ts'
import { prompts } from './prompts.ts'
import { resources, template, templateContents } from './resources.ts'
import { addSessionTools } from './session-tools.ts'

/**
 * All server features of the suite in revision 2025-11-25: SDK 1.x, with a server for each session
 * and streams in both directions.
 */
export function sessionHandler (): FetchHandler {
  // A session belongs to its caller: an attacker with its id cannot use it.
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>()
  const key = (caller: McpAuth | undefined, id: string) => `${caller?.subject}:${id}`

  async function startSession (
    caller: McpAuth | undefined
  ): Promise<WebStandardStreamableHTTPServerTransport> {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized (id) {
        sessions.set(key(caller, id), transport)
      },
      onsessionclosed (id) {
        sessions.delete(key(caller, id))
      }
    })
    await createServer().connect(transport)
    return transport
  }

  return {
    async fetch (request, options) {
      const id = request.headers.get('mcp-session-id')
      const transport = id === null
        ? await startSession(options.authInfo)
        : sessions.get(key(options.authInfo, id))
      if (transport === undefined) {
        return Response.json({
          jsonrpc: '2.0',
          error: { code: -32001, message: 'Session not found' },
          id: null
        }, { status: 404 })
      }
      return await transport.handleRequest(request, options)
    },
    async close () {
      await Promise.all([...sessions.values()].map(transport => transport.close()))
    }
  }
}

function createServer (): McpServer {
  const server = new McpServer({ name: 'conformance', version: '1.0.0' }, {
    capabilities: { logging: {}, resources: { subscribe: true } }
  })
  addSessionTools(server)
  for (const { name, description, argsSchema, messages } of prompts) {
    if (argsSchema === undefined) {
      server.registerPrompt(name, { description }, () => ({ messages: messages({}) }))
    } else {
      server.registerPrompt(
        name,
        { description, argsSchema: argsSchema.shape },
        (args) => ({ messages: messages(args) })
      )
    }
  }
  for (const { name, uri, description, mimeType, ...content } of resources) {
    server.registerResource(
      name,
      uri,
      { description, mimeType },
      () => ({ contents: [{ uri, mimeType, ...content }] })
    )
  }
  const { name, uri, ...metadata } = template
  server.registerResource(
    name,
    new ResourceTemplate(uri, { list: undefined }),
    metadata,
    (uri, { id }) => templateContents(uri, id)
  )

  const subscriptions = new Set<string>()
  server.server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    subscriptions.add(params.uri)
    return {}
  })
  server.server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
    subscriptions.delete(params.uri)
    return {}
  })
  return server
}
