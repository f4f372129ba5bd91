import autocannon from 'autocannon'
import type { Order, Outcome } from './slices.ts'

// The process that sends the requests. It receives an order and returns an outcome.

const connections = 32

process.on('message', async ({ url, seconds, call, tokens }: Order) => {
  let next = 0
  const result = await autocannon({
    url,
    connections,
    duration: seconds,
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...call.headers
    },
    body: call.body,
    ...(tokens.length > 0 && {
      requests: [{
        setupRequest: (request) => ({
          ...request,
          headers: { ...request.headers, authorization: `Bearer ${tokens[next++ % tokens.length]}` }
        })
      }]
    })
  })
  const outcome: Outcome = {
    responses: result['2xx'],
    failures: result.non2xx + result.errors,
    seconds: result.duration
  }
  process.send?.(outcome)
})
