// How does a model receive tools and stream its answers? One dialect for each API.

interface Event {
  type?: string
  [member: string]: unknown
}

interface Tool {
  name: string
  /** The group that the tool is in. */
  namespace?: string
}

export interface Dialect {
  /** End of the URL. */
  path: string
  /** The tools of a request. */
  tools(body: any): Tool[]
  /** The result of the last tool call in a request. */
  result(body: any): unknown
  /** An answer that calls a tool without arguments. */
  call(tool: Tool): Event[]
  /** An answer that is a text. */
  text(text: string): Event[]
  format(event: Event): string
}

const id = 'call_1'

/** Server-sent events with their type as the name. */
const named = (event: Event) => `event: ${event.type}\n${unnamed(event)}`
const unnamed = (event: Event) => `data: ${JSON.stringify(event)}\n\n`

function chunks (delta: object, reason: string): Event[] {
  const chunk = { id: '1', object: 'chat.completion.chunk' }
  return [
    { ...chunk, choices: [{ index: 0, delta, finish_reason: null }] },
    { ...chunk, choices: [{ index: 0, delta: {}, finish_reason: reason }] }
  ]
}

/** OpenAI Chat Completions, as opencode sends them to providers of its configuration. */
const chatCompletions: Dialect = {
  path: '/chat/completions',
  tools: ({ tools = [] }) => tools.map((tool: any) => tool.function),
  result: ({ messages }) => messages.findLast(({ role }: any) => role === 'tool')?.content,
  call: ({ name }) =>
    chunks({
      tool_calls: [{ index: 0, id, type: 'function', function: { name, arguments: '{}' } }]
    }, 'tool_calls'),
  text: content => chunks({ role: 'assistant', content }, 'stop'),
  format: unnamed
}

function items (item: object): Event[] {
  const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 }
  return [
    { type: 'response.created', response: { id: '1' } },
    { type: 'response.output_item.done', item },
    { type: 'response.completed', response: { id: '1', usage } }
  ]
}

/** OpenAI Responses, as Codex sends them. It groups the tools of each MCP server. */
const responses: Dialect = {
  path: '/responses',
  tools: ({ tools = [] }) =>
    tools.flatMap(({ name = '', tools: members }: any) =>
      members?.map((member: Tool) => ({ name: member.name, namespace: name })) ?? { name }
    ),
  result: ({ input }) => input.findLast(({ type }: any) => type === 'function_call_output')?.output,
  call: tool => items({ ...tool, type: 'function_call', call_id: id, arguments: '{}' }),
  text: text =>
    items({ type: 'message', role: 'assistant', content: [{ type: 'output_text', text }] }),
  format: named
}

function message (block: object, delta: object, reason: string): Event[] {
  const usage = { input_tokens: 1, output_tokens: 1 }
  return [
    {
      type: 'message_start',
      message: { id: '1', type: 'message', role: 'assistant', model: 'model', content: [], usage }
    },
    { type: 'content_block_start', index: 0, content_block: block },
    { type: 'content_block_delta', index: 0, delta },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: reason }, usage },
    { type: 'message_stop' }
  ]
}

/** Anthropic Messages, as Claude Code sends them. */
const messages: Dialect = {
  path: '/messages',
  tools: ({ tools = [] }) => tools,
  result: ({ messages }) =>
    messages.flatMap(({ content }: any) => content)
      .findLast(({ type }: any) => type === 'tool_result')?.content,
  call: ({ name }) =>
    message(
      { type: 'tool_use', id, name, input: {} },
      { type: 'input_json_delta', partial_json: '{}' },
      'tool_use'
    ),
  text: text => message({ type: 'text', text: '' }, { type: 'text_delta', text }, 'end_turn'),
  format: named
}

export const dialects: readonly Dialect[] = [chatCompletions, responses, messages]
