import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { CallToolResult, Tool } from '@modelcontextprotocol/sdk/types.js'
import { Ajv, type ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc, { type GeneratorValue } from 'fast-check'
import Fastify, { type FastifyInstance } from 'fastify'
import { mcpOAuth } from '../../lib/index.ts'
import { sweep } from '../support/sweep.ts'
import { toolCall } from './route.ts'

type Schema = Record<string, any>

/** Random schemas and values from one generator of fast-check. */
function random (g: GeneratorValue) {
  const below = (n: number) => g(fc.nat, { max: n - 1 })
  const chance = (percent: number) => below(100) < percent
  const pick = <T>(items: readonly T[]) => items[below(items.length)] as T
  return { below, chance, pick, schema, object, plain, value }

  function plain (): Schema {
    const kind = pick(['string', 'string', 'integer', 'number', 'boolean', 'enum', 'const'])
    if (kind === 'enum') return { type: 'string', enum: ['a', 'b', 'c'] }
    if (kind === 'const') return { const: pick(['x', 'y']) }
    return {
      type: chance(10)
        ? [kind, pick(['null', 'boolean', 'string'].filter(name => name !== kind))]
        : kind,
      ...(kind === 'string' && chance(20) && { format: pick(['date', 'date-time', 'uuid']) }),
      ...(kind === 'string' && chance(20) && { minLength: 1 }),
      ...(kind === 'integer' && chance(30) && { minimum: 0, maximum: 9 })
    }
  }

  function schema (depth = 3): Schema {
    if (depth === 0 || chance(30)) return plain()
    const of = () => schema(depth - 1)
    const made = pick<() => Schema>([
      plain,
      () => object(depth),
      () => object(depth),
      () => ({ type: 'array', items: of(), ...(chance(20) && { maxItems: 2 }) }),
      () => ({
        type: 'array',
        items: [of(), of()],
        minItems: 2,
        additionalItems: pick([false, of()])
      }),
      () => ({ [pick(['anyOf', 'oneOf'])]: [of(), of()] }),
      () => ({ allOf: [object(depth - 1, 'l'), object(depth - 1, 'r')] }),
      () => ({
        $ref: pick([
          'node#',
          'leaf',
          '#/definitions/own',
          'http://a.example/s.json#/definitions/part'
        ])
      }),
      () => ({ type: 'object', additionalProperties: of() }),
      () => ({})
    ])()
    return made.type && !Array.isArray(made.type) && chance(20) ? { ...made, nullable: true } : made
  }

  function object (depth: number, prefix = ''): Schema {
    const names = ['a', 'b', 'c$'].slice(0, 1 + below(3)).map(name => prefix + name)
    return {
      type: 'object',
      properties: Object.fromEntries(names.map(name => [name, schema(depth - 1)])),
      ...(chance(50) && { required: names.filter(() => chance(50)) }),
      ...(chance(40) && !prefix && { additionalProperties: chance(70) ? false : schema(depth - 1) })
    }
  }

  /** A value that is mostly valid. */
  function value (schema: Schema, definitions: Schema, depth = 6): unknown {
    const of = (item: Schema) => value(item, definitions, depth - 1)
    if (depth === 0 || chance(4)) return pick<unknown>([null, 1, 'x', true, [], {}, 1.5, ''])
    if (schema.nullable && chance(40)) return null
    if (schema.$ref) return of(definitions[schema.$ref])
    if (schema.enum) return pick(schema.enum)
    if ('const' in schema) return schema.const
    if (schema.anyOf ?? schema.oneOf) return of(pick(schema.anyOf ?? schema.oneOf))
    if (schema.allOf) {
      return Object.assign(
        {},
        ...schema.allOf.map((part: Schema) => Object(of(part)))
      )
    }
    const type = pick([schema.type].flat())
    if (type === 'string') {
      if (schema.format === 'date') return '2026-01-01'
      if (schema.format === 'date-time') return '2026-01-01T00:00:00Z'
      if (schema.format === 'uuid') return '5c1e2d3e-9e22-4d2f-8d3a-0f1e2d3c4b5a'
      return pick(['t', 'é ü', 'a&b=c/d', '5', 'true', '%2e', '["a"]'])
    }
    if (type === 'integer') return below(10)
    if (type === 'number') return pick([0, 1.5, -2, 1e21])
    if (type === 'boolean') return chance(50)
    if (type === 'null') return null
    if (type === 'array') {
      return Array.isArray(schema.items)
        ? schema.items.map(of)
        : Array.from({ length: below(3) }, () => of(schema.items))
    }
    if (type === undefined) return pick<unknown>([1, 'free', { deep: [1] }])
    const result: Schema = {}
    for (const [name, item] of Object.entries(schema.properties ?? {})) {
      if (schema.required?.includes(name) ? chance(97) : chance(60)) {
        result[name] = of(item as Schema)
      }
    }
    if (schema.additionalProperties !== false && chance(20)) {
      result.extra = schema.additionalProperties ? of(schema.additionalProperties) : 'more'
    }
    return result
  }
}

const part = { type: 'object', required: ['p'], properties: { p: { type: 'integer' } } }
const shared: Schema[] = [
  {
    $id: 'node',
    type: 'object',
    required: ['name'],
    properties: {
      name: { type: 'string' },
      next: { $ref: '#' },
      all: { type: 'array', items: { $ref: 'node#' } }
    }
  },
  { $id: 'leaf', type: 'string', enum: ['red', 'blue'] },
  { $id: 'http://a.example/s.json', definitions: { part } }
]

function definitionsWith (own: Schema): Schema {
  const [node, leaf] = shared as [Schema, Schema]
  return {
    'node#': node,
    '#': node,
    leaf,
    '#/definitions/own': own,
    'http://a.example/s.json#/definitions/part': part
  }
}

async function start (routes: (app: FastifyInstance) => void) {
  const app = Fastify({ ajv: { customOptions: { strictTypes: false, strictTuples: false } } })
  await app.register(mcpOAuth, { auth: false, mcp: { tools: true } })
  for (const schema of shared) app.addSchema(schema)
  routes(app)
  await app.ready()
  return app
}

async function rpc (app: FastifyInstance, payload: object) {
  const response = await app.inject({ method: 'POST', url: '/mcp', payload })
  return response.json<{ result: any }>().result
}

interface Case {
  path: Schema
  query: Schema
  header: Schema
  body: unknown
}

test('tools/call and HTTP accept the same requests [field:T5 field:T7 field:T9 field:T25]', async () => {
  const seen = { sent: 0, accepted: 0, refused: 0, valid: 0 }
  await fc.assert(
    fc.asyncProperty(fc.gen(), async (g) => {
      const make = random(g)
      const specs = Array.from({ length: 4 }, () => {
        const own = make.object(1)
        const members = (names: string[]) =>
          Object.fromEntries(names.map(name => [name, make.plain()]))
        const query: Schema = {
          type: 'object',
          properties: {
            ...members(['q', '$filter', 'id']),
            list: { type: 'array', items: { type: pick(['string', 'integer']) } }
          },
          required: make.chance(30) ? ['q'] : [],
          additionalProperties: make.pick([false, { type: 'string' }])
        }
        const body = make.chance(75) ? make.object(3) : make.schema()
        const schema: Schema = {
          params: { type: 'object', properties: { id: make.plain() } },
          querystring: make.chance(40)
            ? {
              allOf: [query, {
                type: 'object',
                properties: { page: { type: 'integer', default: 1 } }
              }]
            }
            : query,
          headers: { type: 'object', properties: { 'If-Match': { type: 'string', minLength: 2 } } },
          body: { ...body, definitions: { own } }
        }
        const definitions = definitionsWith(own)
        const cases = Array.from({ length: 5 }, (): Case => ({
          // An empty segment may be another route by HTTP, so tools refuse it.
          path: { id: make.value(schema.params.properties.id, definitions) || 'x' },
          query: asObject(make.value(query, definitions)),
          header: make.chance(30) ? { 'if-match': 'tag' } : {},
          body: make.value(body, definitions)
        }))
        return { schema, cases }

        function pick<T> (items: T[]) {
          return make.pick(items)
        }
      })
      const app = await start((app) => {
        for (const [index, { schema }] of specs.entries()) {
          app.post(
            `/r${index}/:id`,
            { schema: { ...schema, operationId: `r${index}` } as object },
            async ({ params, query, body, headers }) => ({
              params,
              query,
              body,
              tag: headers['if-match']
            })
          )
        }
      })
      const { tools } = await rpc(app, { jsonrpc: '2.0', id: 1, method: 'tools/list' }) as {
        tools: Tool[]
      }
      assert.equal(tools.length, specs.length)
      for (const [index, { schema, cases }] of specs.entries()) {
        const tool = tools.find(({ name }) => name === `r${index}`) as Tool
        const accepts = new Ajv2020({ strict: false, validateFormats: false }).compile(
          tool.inputSchema
        )
        const isValid = validatorOf(schema)
        for (const sent of cases) await compare(app, tool, schema, sent, accepts, isValid)
      }
      await app.close()
    }),
    { numRuns: sweep(30), endOnFailure: true }
  )
  assert.ok(seen.accepted > 0 && seen.valid > 0, JSON.stringify(seen))

  async function compare (
    app: FastifyInstance,
    tool: Tool,
    schema: Schema,
    sent: Case,
    accepts: (args: unknown) => boolean,
    isValid: (sent: Case, isWhole: boolean) => boolean
  ) {
    const { path, query, header, body } = sent
    seen.sent++
    const isWhole = 'body' in (tool.inputSchema.properties ?? {})
    const args: Schema = { id: path.id, ...header }
    for (const [name, value] of Object.entries(query)) {
      args[name === 'id' ? 'query_id' : name === '$filter' ? 'filter' : name] = value
    }
    if (isWhole) args.body = body
    else {
      for (const [name, value] of Object.entries(Object(body))) {
        args[name.replace('$', '')] = value
      }
    }
    const isAmbiguous = isOpen(schema.querystring) && !isWhole &&
      schema.body.additionalProperties !== false
    if (isAmbiguous && ('extra' in query || 'extra' in Object(body))) return
    const isPublished = accepts(args)
    const context = JSON.stringify({ schema, sent, args, inputSchema: tool.inputSchema })
    if (isValid(sent, isWhole)) {
      seen.valid++
      assert.ok(isPublished, `the published schema refuses: ${context}`)
    }
    const search = new URLSearchParams()
    for (const [name, value] of Object.entries(query)) {
      for (const item of [value].flat()) if (item !== null) search.append(name, String(item))
    }
    // Only a whole body may be anything but an object, by the tool.
    if (!isPublished || !isPlain(sent) || !(isWhole || isObject(body))) return
    const id = encodeURIComponent(String(path.id))
    const response = await app.inject({
      method: 'POST',
      url: `/${tool.name}/${id}?${search}`,
      headers: { ...header, 'content-type': 'application/json' },
      payload: JSON.stringify(body)
    })
    const result = await rpc(app, toolCall(1, tool.name, args)) as CallToolResult
    const [first] = result.content
    const text = first?.type === 'text' ? first.text : ''
    assert.equal(
      result.isError ?? false,
      response.statusCode !== 200,
      `${response.body} ${text} ${context}`
    )
    if (response.statusCode === 200) assert.deepEqual(JSON.parse(text), response.json(), context)
    seen[response.statusCode === 200 ? 'accepted' : 'refused']++
  }

  function isOpen ({ allOf, additionalProperties }: Schema) {
    return (allOf?.[0].additionalProperties ?? additionalProperties ?? false) !== false
  }

  function isPlain ({ path, query }: Case) {
    return ![undefined, null, ''].includes(path.id) &&
      [path.id, ...Object.values(query).flat()].every(item => Object(item) !== item)
  }

  /** Checks whether the route accepts a request without coercion. */
  function validatorOf (schema: Schema) {
    const ajv = new Ajv({ strict: false, validateFormats: false, schemas: shared })
    const [params, querystring, whole] = [schema.params, schema.querystring, schema.body]
      .map(part => ajv.compile(part)) as [ValidateFunction, ValidateFunction, ValidateFunction]
    return ({ path, query, body }: Case, isWhole: boolean) =>
      params(path) && querystring(query) && whole(body) && (isWhole || isObject(body)) &&
      !('extra' in query && !isOpen(schema.querystring))
  }
})

test('clients accept every answer of tools/call, whatever the schema [field:T2 field:T3 field:T28]', async (t) => {
  const seen = { structured: 0, empty: 0, errors: 0 }
  await fc.assert(
    fc.asyncProperty(fc.gen(), async (g) => {
      const make = random(g)
      const answers: unknown[] = []
      const app = await start((app) => {
        for (let index = 0; index < 8; index++) {
          const own = make.object(1)
          const schema = make.object(4)
          const definitions = definitionsWith(own)
          const status = make.pick([200, 200, 201, 202])
          answers.push(make.value(schema, definitions))
          app.get(`/r${index}`, {
            schema: {
              operationId: `r${index}`,
              response: { [make.pick(['200', '2xx', '201'])]: { ...schema, definitions: { own } } }
            } as object
          }, async (_request, reply) => reply.code(status).send(answers[index]))
        }
      }).catch(() => null)
      // Not every schema can be compiled by the serializer.
      if (app === null) return
      const url = `http://127.0.0.1:${await listen(app)}/mcp`
      const client = new Client({ name: 'client', version: '1.0.0' })
      await client.connect(new StreamableHTTPClientTransport(new URL(url)) as never)
      const { tools } = await client.listTools()
      for (const { name, outputSchema } of tools) {
        const response: { body: string, statusCode: number } = await app.inject(`/${name}`)
        const context = JSON.stringify({ outputSchema, answer: response.body })
        const result = await client.callTool({ name }).catch((error: Error) => {
          assert.fail(`${error.message} ${context}`)
        })
        assert.equal(result.isError ?? false, response.statusCode >= 300, context)
        if (result.isError) seen.errors++
        else seen[Object.keys(result.structuredContent ?? {}).length > 0 ? 'structured' : 'empty']++
      }
      await client.close()
      await app.close()
    }),
    { numRuns: sweep(30), endOnFailure: true }
  )
  t.diagnostic(JSON.stringify(seen))
  assert.ok(seen.structured > 0)
})

function isObject (value: unknown): value is Schema {
  return Object(value) === value && !Array.isArray(value)
}

function asObject (value: unknown): Schema {
  return isObject(value) ? value : {}
}

async function listen (app: FastifyInstance) {
  await app.listen({ host: '127.0.0.1', port: 0 })
  return (app.server.address() as AddressInfo).port
}
