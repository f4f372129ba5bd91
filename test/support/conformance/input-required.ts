import {
  CLIENT_CAPABILITIES_META_KEY,
  type CallToolResult,
  type ClientCapabilities,
  type InputRequests,
  type McpServer,
  type RequestStateCodec,
  type ServerContext,
  acceptedContent,
  inputRequired,
  inputResponse
} from '@modelcontextprotocol/server'
import { z } from 'zod'
import { user } from './prompts.ts'
import { text } from './tools.ts'

const name = z.object({ name: z.string() })
const color = z.object({ color: z.string() })
const context = z.object({ context: z.string() })
const confirmation = z.object({ ok: z.boolean() })

const askName = inputRequired.elicit({ message: 'What is your name?', requestedSchema: name })
const askConfirmation = inputRequired.elicit({
  message: 'Please confirm',
  requestedSchema: confirmation
})
const askModel = (prompt: string, maxTokens = 100) =>
  inputRequired.createMessage({ messages: [user(text(prompt))], maxTokens })

/**
 * Adds tools and a prompt that require input of the client. `states` seals their state until then.
 */
export function addInputTools (server: McpServer, states: RequestStateCodec): void {
  const add = (
    name: string,
    description: string,
    respond: (
      request: ServerContext['mcpReq'],
      ctx: ServerContext
    ) => Promise<string | ReturnType<typeof inputRequired>>
  ) => {
    server.registerTool(
      name,
      { description },
      async (ctx): Promise<CallToolResult | ReturnType<typeof inputRequired>> => {
        const result = await respond(ctx.mcpReq, ctx)
        return typeof result === 'string' ? { content: [text(result)] } : result
      }
    )
  }

  add('test_input_required_result_elicitation', 'Asks for a name', async ({ inputResponses }) => {
    const input = acceptedContent(inputResponses, 'user_name', name)
    return input === undefined
      ? inputRequired({ inputRequests: { user_name: askName } })
      : `Hello, ${input.name}!`
  })

  // The same tool, called by clients with and without the sampling capability.
  for (const tool of ['test_input_required_result_sampling', 'test_missing_capability']) {
    add(tool, 'Asks the language model', async ({ inputResponses }) => {
      const input = inputResponse(inputResponses, 'capital_question')
      return input.kind === 'sampling'
        ? JSON.stringify(input.result.content)
        : inputRequired({
          inputRequests: { capital_question: askModel('What is the capital of France?') }
        })
    })
  }

  add('test_input_required_result_list_roots', 'Asks for the roots', async ({ inputResponses }) => {
    const input = inputResponse(inputResponses, 'client_roots')
    return input.kind === 'roots'
      ? input.roots.map(({ uri }) => uri).join()
      : inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } })
  })

  for (
    const tool of [
      'test_input_required_result_request_state',
      'test_input_required_result_tampered_state'
    ]
  ) {
    add(
      tool,
      'Asks for a confirmation, and keeps its subject in the state',
      async ({ inputResponses, requestState }, ctx) => {
        const input = acceptedContent(inputResponses, 'confirm', confirmation)
        if (input !== undefined && requestState() === tool) return 'state-ok'
        return inputRequired({
          inputRequests: { confirm: askConfirmation },
          requestState: await states.mint(tool, ctx)
        })
      }
    )
  }

  add(
    'test_input_required_result_multiple_inputs',
    'Asks for several things at once',
    async ({ inputResponses }, ctx) => {
      const input = acceptedContent(inputResponses, 'user_name', name)
      const greeting = inputResponse(inputResponses, 'greeting')
      const roots = inputResponse(inputResponses, 'client_roots')
      if (
        input !== undefined && greeting.kind === 'sampling' && roots.kind === 'roots'
      ) { return `${input.name}, ${roots.roots.length}` }
      return inputRequired({
        inputRequests: {
          user_name: askName,
          greeting: askModel('Generate a greeting', 50),
          client_roots: inputRequired.listRoots()
        },
        requestState: await states.mint('asked', ctx)
      })
    }
  )

  add(
    'test_input_required_result_multi_round',
    'Asks one thing after the other',
    async ({ inputResponses, requestState }, ctx) => {
      const state = name.safeParse(requestState()).data
      const colored = acceptedContent(inputResponses, 'step2', color)
      if (
        state !== undefined && colored !== undefined
      ) { return `${state.name} likes ${colored.color}` }
      const named = state ?? acceptedContent(inputResponses, 'step1', name)
      const [step, message, requestedSchema] = named === undefined
        ? ['step1', 'Step 1: What is your name?', name] as const
        : ['step2', 'Step 2: What is your favorite color?', color] as const
      return inputRequired({
        inputRequests: { [step]: inputRequired.elicit({ message, requestedSchema }) },
        requestState: await states.mint(named ?? null, ctx)
      })
    }
  )

  add(
    'test_input_required_result_capabilities',
    'Asks for the inputs that the client supports',
    async ({ envelope }) => {
      const { [CLIENT_CAPABILITIES_META_KEY]: { elicitation, sampling } = {} } = envelope as {
        [CLIENT_CAPABILITIES_META_KEY]?: ClientCapabilities
      }
      const inputRequests: InputRequests = {
        ...elicitation !== undefined && { user_name: askName },
        ...sampling !== undefined && { greeting: askModel('Generate a greeting') }
      }
      return Object.keys(inputRequests).length === 0
        ? 'Nothing to ask.'
        : inputRequired({ inputRequests })
    }
  )

  add(
    'test_streaming_elicitation',
    'Asks for a name',
    async () => inputRequired({ inputRequests: { user_name: askName } })
  )

  server.registerPrompt('test_input_required_result_prompt', {
    description: 'Asks for its context'
  }, ({ mcpReq }) => {
    const input = acceptedContent(mcpReq.inputResponses, 'user_context', context)
    if (input !== undefined) return { messages: [user(text(`Context: ${input.context}`))] }
    return inputRequired({
      inputRequests: {
        user_context: inputRequired.elicit({
          message: 'What context should the prompt use?',
          requestedSchema: context
        })
      }
    })
  })
}
