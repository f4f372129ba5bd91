import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import {
  injectTokenHeader,
  injectTokensOf,
  routeMark,
  type MarkedConfig
} from '../../lib/mcp/tools/call.ts'

test('check() accepts an inject token once, even before its call has ended [EX-04]', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  const tokens = injectTokensOf(app)
  const config: MarkedConfig = { [routeMark]: 'mark' }
  app.get('/tool', { config }, async () => 'done')
  const call = { mark: 'mark', proof: undefined }
  await tokens.run(call, async (token) => {
    const request = { url: '/tool', headers: { [injectTokenHeader]: token } }
    assert.equal((await app.inject(request)).statusCode, 200)
    assert.equal((await app.inject(request)).statusCode, 404)
  })
})

test('check() rejects the inject token of a call that ended before it arrived [EX-04]', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  const tokens = injectTokensOf(app)
  const config: MarkedConfig = { [routeMark]: 'mark' }
  app.get('/tool', { config }, async () => 'done')
  const token = await tokens.run({ mark: 'mark', proof: undefined }, async (token) => token)
  const headers = { [injectTokenHeader]: token }
  assert.equal((await app.inject({ url: '/tool', headers })).statusCode, 404)
})
