import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  McpServer,
  ResourceTemplate,
  createMcpHandler,
  createRequestStateCodec,
  type McpHttpHandler
} from '@modelcontextprotocol/server'
import type { FetchHandler } from '../../../lib/options/mcp.ts'
import { addInputTools } from './input-required.ts'
import { prompts } from './prompts.ts'
import { resources, template, templateContents } from './resources.ts'
import { failure, text, tools } from './tools.ts'

/**
 * All server features of the suite in revision 2026-07-28: SDK 2.x, with a server for each request.
 */
export function statelessHandler (): FetchHandler {
  // A request state of one client is invalid for another.
  const states = createRequestStateCodec({
    key: randomBytes(32),
    bind: ({ http }) => http?.authInfo?.clientId ?? ''
  })
  const added = { tool: false, prompt: false }

  const handler: McpHttpHandler = createMcpHandler(() => {
    const server = new McpServer({ name: 'conformance', version: '1.0.0' }, {
      capabilities: { logging: {} },
      requestState: { verify: states.verify }
    })
    addTools(server)
    addInputTools(server, states)
    addChangingParts(server)
    for (const { name, description, argsSchema, messages } of prompts) {
      if (argsSchema === undefined) {
        server.registerPrompt(name, { description }, () => ({ messages: messages({}) }))
      } else {
        server.registerPrompt(
          name,
          { description, argsSchema },
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
    return server
  })
  return handler as FetchHandler

  /** A tool and a prompt that are added and removed, and the tools that do so. */
  function addChangingParts (server: McpServer): void {
    if (added.tool) {
      server.registerTool(
        'test_passing_tool',
        { description: 'Is not always there' },
        () => ({ content: [] })
      )
    }
    if (added.prompt) {
      server.registerPrompt(
        'test_passing_prompt',
        { description: 'Is not always there' },
        () => ({ messages: [] })
      )
    }
    server.registerTool(
      'test_trigger_tool_change',
      { description: 'Changes the list of tools' },
      () => {
        added.tool = !added.tool
        handler.notify.toolsChanged()
        return { content: [text('Changed.')] }
      }
    )
    server.registerTool('test_trigger_prompt_change', {
      description: 'Changes the list of prompts'
    }, () => {
      added.prompt = !added.prompt
      handler.notify.promptsChanged()
      return { content: [text('Changed.')] }
    })
  }
}

function addTools (server: McpServer): void {
  for (const [name, description, content] of tools) {
    server.registerTool(name, { description }, () => ({ content }))
  }
  server.registerTool('test_error_handling', { description: 'Always fails' }, () => {
    throw failure
  })

  server.registerTool(
    'test_logging_tool',
    { description: 'Tells the log, for those who listen' },
    async ({ mcpReq }) => {
      await mcpReq.log('info', 'Tool execution started')
      return { content: [text('Logged.')] }
    }
  )

  server.registerTool(
    'test_tool_with_progress',
    { description: 'Tells the caller how far it is' },
    async ({ mcpReq }) => {
      const progressToken = mcpReq._meta?.progressToken
      for (const progress of [0, 50, 100]) {
        if (progressToken !== undefined) {
          await mcpReq.notify({
            method: 'notifications/progress',
            params: { progressToken, progress, total: 100 }
          })
        }
        await sleep(50)
      }
      return { content: [text('Done.')] }
    }
  )
}
