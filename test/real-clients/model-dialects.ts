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

export const dialects: readonly Dialect[] = [chatCompletions]
