import { setTimeout as sleep } from 'node:timers/promises'
import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { ElicitRequestFormParams } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { failure, text, tools } from './tools.ts'

/** The forms of the tools that request input of the user. */
const forms: Record<
  string,
  [description: string, properties: ElicitRequestFormParams['requestedSchema']['properties']]
> = {
  test_elicitation_sep1034_defaults: ['Asks for fields with defaults', {
    name: { type: 'string', default: 'John Doe' },
    age: { type: 'integer', default: 30 },
    score: { type: 'number', default: 95.5 },
    status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', default: true }
  }],
  test_elicitation_sep1330_enums: ['Asks for choices of every kind', {
    untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
    titledSingle: { type: 'string', oneOf: choices('First', 'Second', 'Third') },
    legacyEnum: {
      type: 'string',
      enum: ['opt1', 'opt2', 'opt3'],
      enumNames: ['Option One', 'Option Two', 'Option Three']
    },
    untitledMulti: {
      type: 'array',
      items: { type: 'string', enum: ['option1', 'option2', 'option3'] }
    },
    titledMulti: { type: 'array', items: { anyOf: choices('First', 'Second', 'Third') } }
  }]
}

function choices (...titles: string[]) {
  return titles.map((title, index) => ({ const: `value${index + 1}`, title }))
}

/** Adds the tools of a server that sends messages to the client during a call. */
export function addSessionTools (mcp: McpServer): void {
  for (const [name, description, content] of tools) {
    mcp.registerTool(name, { description }, () => ({ content }))
  }
  mcp.registerTool('test_error_handling', { description: 'Always fails' }, () => {
    throw failure
  })

  mcp.registerTool(
    'test_tool_with_logging',
    { description: 'Tells the log how far it is' },
    async ({ sendNotification }) => {
      for (
        const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed']
      ) {
        await sendNotification({ method: 'notifications/message', params: { level: 'info', data } })
        await sleep(50)
      }
      return { content: [text('Logged.')] }
    }
  )

  mcp.registerTool(
    'test_tool_with_progress',
    { description: 'Tells the caller how far it is' },
    async ({ _meta, sendNotification }) => {
      const progressToken = _meta?.progressToken
      for (const progress of [0, 50, 100]) {
        if (progressToken !== undefined) {
          await sendNotification({
            method: 'notifications/progress',
            params: { progressToken, progress, total: 100 }
          })
        }
        await sleep(50)
      }
      return { content: [text('Done.')] }
    }
  )

  mcp.registerTool('test_sampling', {
    description: 'Asks the language model',
    inputSchema: { prompt: z.string() }
  }, async ({ prompt }, { requestId }) => {
    const { content } = await mcp.server.createMessage({
      messages: [{ role: 'user', content: text(prompt) }],
      maxTokens: 100
    }, { relatedRequestId: requestId })
    return {
      content: [text(`LLM response: ${content.type === 'text' ? content.text : content.type}`)]
    }
  })

  mcp.registerTool('test_elicitation', {
    description: 'Asks the user',
    inputSchema: { message: z.string() }
  }, async ({ message }, { requestId }) => {
    const requestedSchema: ElicitRequestFormParams['requestedSchema'] = {
      type: 'object',
      properties: {
        username: { type: 'string', description: 'Your name' },
        email: { type: 'string', description: 'Your mail address' }
      },
      required: ['username', 'email']
    }
    const { action, content } = await mcp.server.elicitInput({ message, requestedSchema }, {
      relatedRequestId: requestId
    })
    return {
      content: [text(`User response: action: ${action}, content: ${JSON.stringify(content)}`)]
    }
  })

  for (const [name, [description, properties]] of Object.entries(forms)) {
    mcp.registerTool(name, { description }, async ({ requestId }) => {
      const { action, content } = await mcp.server.elicitInput({
        message: description,
        requestedSchema: { type: 'object', properties }
      }, { relatedRequestId: requestId })
      return {
        content: [
          text(`Elicitation completed: action=${action}, content=${JSON.stringify(content)}`)
        ]
      }
    })
  }
}
