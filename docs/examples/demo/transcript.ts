import { styleText } from 'node:util'

/** A request of the client and what came back. */
export interface Exchange {
  method: string
  url: URL
  sent: string
  status: number
  headers: Headers
  received: string
}

/**
 * One thing a newcomer should see happen: how it is recognised among the client's requests, and
 * what is worth showing of it.
 */
export interface Step {
  title: string
  matches(exchange: Exchange): boolean
  status: number
  /** Never a token, a code or a secret. */
  show(exchange: Exchange): string[]
}

type Style = Parameters<typeof styleText>[0]
const colourful = process.stdout.isTTY && !process.env.NO_COLOR
const paint = (style: Style, text: string) => colourful ? styleText(style, text) : text

export const write = (line = '') => console.log(line)
export const heading = (text: string) => write(`\n${paint('bold', text)}\n`)
export const failure = (text: string) => console.error(`\n ${paint('red', '✗')} ${text}\n`)

/**
 * Watches the client's requests and tells them as a story.
 *
 * `fetch` is the global one, watched; it throws when a step was answered otherwise than expected.
 * `finish` throws when a step never came.
 */
export function startTranscript (steps: Step[]): { fetch: typeof fetch, finish(): void } {
  let done = 0
  let since = performance.now()

  function tell (exchange: Exchange) {
    const step = steps[done]
    if (!step?.matches(exchange)) return
    const { method, url, sent, status } = exchange
    if (status !== step.status) {
      throw new Error(
        `${step.title}: expected ${step.status}, got ${status} ${exchange.received.slice(0, 300)}`
      )
    }
    const now = performance.now()
    const time = `${Math.round(now - since)} ms`.padStart(7)
    since = now
    done++
    write(
      ` ${paint('green', '✓')} ${paint('bold', `${done}. ${step.title}`.padEnd(64))} ${
        paint('dim', time)
      }`
    )
    const address = url.origin + url.pathname.replace(/\/[\w-]{40,}/, '/…')
    const call = /"method":"([\w/]+)"/.exec(sent)?.[1] ?? ''
    write(`     ${paint('cyan', `${method} ${address} ${call}`.trimEnd())} → ${status}`)
    for (const line of step.show(exchange)) write(`     ${paint('dim', line)}`)
    write()
  }

  return {
    async fetch (input, init) {
      const request = new Request(input, init)
      const sent = await request.clone().text()
      const response = await fetch(request)
      // A stream the server keeps open is left alone: reading it would wait for its end.
      const open = request.method === 'GET' &&
        response.headers.get('content-type')?.startsWith('text/event-stream')
      const received = open ? '' : await response.clone().text()
      tell({
        method: request.method,
        url: new URL(request.url),
        sent,
        status: response.status,
        headers: response.headers,
        received
      })
      return response
    },
    finish () {
      const missing = steps[done]
      if (missing) throw new Error(`This never happened: ${missing.title}`)
    }
  }
}

/** What the demo shows of documents: members of OAuth answers, or of the result of an MCP call. */
interface Answer {
  [member: string]: unknown
  access_token?: string
  client_id?: string
  result?: {
    serverInfo?: object
    tools?: Array<{ name: string, description?: string }>
    structuredContent?: object
  }
}

/** The JSON in a response: the body, or the last event of a finished stream. */
export function json ({ received }: Exchange): Answer {
  const events = received.match(/^data: .*$/gm)
  return JSON.parse(events?.at(-1)?.slice(6) ?? received)
}
