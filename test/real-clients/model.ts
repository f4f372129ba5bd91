import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { dialects } from './model-dialects.ts'

// Which model do coding clients have here? A scripted one that calls `whoami`, then ends the turn.

export interface Model {
  origin: string
  /** Tools that the client offered, and what it returned for the call of `whoami`. */
  seen: { tools: string[], result: unknown }
}

/** Listens on a port of loopback until the process ends. */
export async function startModel (): Promise<Model> {
  const seen: Model['seen'] = { tools: [], result: undefined }
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://localhost')
    const dialect = dialects.find(({ path }) => pathname.endsWith(path))
    if (!dialect || request.method !== 'POST') {
      response.writeHead(404).end()
      return
    }
    const body = await json(request)
    const tools = dialect.tools(body)
    const whoami = tools.find(({ name }) => name.endsWith('whoami'))
    const result = dialect.result(body)
    // A client also asks for other things, e.g. a title, without tools.
    if (whoami) Object.assign(seen, { tools: tools.map(({ name }) => name), result })
    const events = whoami && result === undefined ? dialect.call(whoami) : dialect.text('Done.')
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(events.map(event => dialect.format(event)).join(''))
  })
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}
