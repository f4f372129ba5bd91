import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FastifyInstance } from 'fastify'
import { sweep } from '../support/sweep.ts'
import { startTools } from './tool-app.ts'

type Schema = Record<string, any>

const text = { type: 'string', maxLength: 100, description: 'A text' }
const refer = (index: number) => ({ $ref: `s${index}#` })

/** Schemas that refer to the next ones. Every eighth refers back, so that there are cycles. */
const shared = Array.from({ length: 40 }, (_, index): Schema => ({
  $id: `s${index}`,
  type: 'object',
  required: ['id'],
  properties: {
    id: { type: 'integer', minimum: 1 },
    name: text,
    at: { type: 'string', format: 'date-time' },
    state: { type: 'string', enum: ['open', 'closed'] },
    ...(index % 8 < 7 && { next: refer(index + 1) }),
    ...(index % 8 < 5 && { both: { anyOf: [refer(index + 2), refer(index + 3)] } }),
    ...(index % 8 === 7 && { all: { type: 'array', items: refer(index - 7) } })
  }
}))

/** The shared schemas that a schema reaches. */
function closureOf (schema: Schema, reached = new Set<Schema>()) {
  for (const [, index] of JSON.stringify(schema).matchAll(/"\$ref":"s(\d+)#"/g)) {
    const target = shared[Number(index)] as Schema
    if (reached.has(target)) continue
    reached.add(target)
    closureOf(target, reached)
  }
  return reached
}

const routes = Array.from({ length: sweep(1_000, 5) }, (_, index) => {
  const entity = refer(index % 40)
  const method = ['GET', 'POST', 'PUT', 'DELETE'][index % 4] as string
  const id = { type: 'object', properties: { id: { type: 'integer' } }, required: ['id'] }
  const schema: Schema = {
    operationId: `operation${index}`,
    summary: 'Does something with an entity',
    ...(method !== 'POST' && { params: id }),
    ...(method === 'GET' && {
      querystring: { type: 'object', properties: { q: text, page: { type: 'integer' } } }
    }),
    ...(['POST', 'PUT'].includes(method) && { body: entity }),
    response: { 200: { type: 'object', properties: { item: entity, total: { type: 'integer' } } } }
  }
  return { method, url: method === 'POST' ? `/e${index}` : `/e${index}/:id`, schema }
})

test('tools/list is below 1.5 times the schemas that its tools reach, each once for a tool [field:T7]', async (t) => {
  const { tools } = await startTools(t, (app: FastifyInstance) => {
    // Compiling the schemas takes seconds, and is not the subject.
    app.setValidatorCompiler(() => () => true).setSerializerCompiler(() => JSON.stringify)
    for (const schema of shared) app.addSchema(schema)
    for (const route of routes) app.route({ ...route, handler: async () => ({}) })
  })
  assert.equal(tools.length, routes.length)
  let sum = 0
  for (const { schema } of routes) {
    const reached = [schema, ...closureOf(schema)]
    sum += reached.reduce((bytes, part) => bytes + JSON.stringify(part).length, 0)
  }
  const bytes = JSON.stringify(tools).length
  t.diagnostic(`${tools.length} tools: ${bytes} bytes, ${(bytes / sum).toFixed(2)} of the schemas`)
  assert.ok(bytes < 1.5 * sum, `${bytes} of ${sum}`)
})
