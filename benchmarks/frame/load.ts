import autocannon from 'autocannon'
import type { Order, Outcome } from './slices.ts'
import { stayAwake } from './start.ts'

// The process that sends the requests. It receives an order and returns an outcome.

const connections = 32
let number = 0

process.on('message', async ({ url, length, call, tokens }: Order) => {
  const { method = 'POST', path = '', headers, body = '', status = 200 } = call
  const isFresh = body.includes('$n')
  let next = 0
  const statuses: Record<string, number> = {}
  const sleep = stayAwake()
  const result = await autocannon({
    url: url + path,
    connections,
    timeout: 60,
    ...('requests' in length ? { amount: length.requests } : { duration: length.seconds }),
    method,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers
    },
    ...(body !== '' && { body }),
    ...((tokens.length > 0 || isFresh) && {
      requests: [{
        setupRequest: (request) => ({
          ...request,
          ...(isFresh && { body: body.replaceAll('$n', String(number++)) }),
          headers: {
            ...request.headers,
            ...(tokens.length > 0 && {
              authorization: `Bearer ${tokens[next++ % tokens.length]}`
            })
          }
        })
      }]
    })
  })
  sleep()
  for (const [code, { count = 0 } = {}] of Object.entries(result.statusCodeStats ?? {})) {
    statuses[code] = count
  }
  const responses = statuses[status ?? 200] ?? 0
  const all = Object.values(statuses).reduce((a, b) => a + b, 0)
  const outcome: Outcome = {
    responses,
    failures: all - responses + result.errors,
    seconds: result.duration
  }
  process.send?.(outcome)
})
