// One start of an app, in a process of its own: node app.js <contender>. Sends the parent the CPU
// time and the memory it took until the app was ready. It is JavaScript: a compiler would count.

const account = { issuer: 'https://issuer.example', clientId: 'server', clientSecret: 'secret' }
const issuer = { issuer: account.issuer, audience: 'https://mcp.example' }
const secret = 'bXktc2VjcmV0LWZvci10aGUtYmVuY2htYXJrLW9ubHk'

/** The options of the plugin, by contender. */
const contenders = {
  bare: null,
  'sdk-alone': null,
  resource: () => issuer,
  broker: () => ({ ...account, secret, setupProxies: true }),
  thin: () => ({ ...account, secret, setupProxies: true, version: '2025-03-26' }),
  tools: () => ({ ...issuer, mcp: { tools: true } }),
  sdk: async () => ({ ...issuer, mcp: { server: await sdkServer() } })
}

async function sdkServer () {
  const { McpServer } = await import('@modelcontextprotocol/sdk/server/mcp.js')
  return new McpServer({ name: 'startup', version: '1.0.0' })
}

const contender = process.argv[2]
const options = contenders[contender]
const { default: Fastify } = await import('fastify')
const app = Fastify()
if (contender === 'sdk-alone') await sdkServer()
if (options) {
  const { mcpOAuth } = await import('fastify-mcp-oauth')
  await app.register(mcpOAuth, await options())
  app.get('/', { onRequest: app.requireMcpAuth() }, async () => ({}))
} else {
  app.get('/', async () => ({}))
}
await app.ready()
const { user, system } = process.cpuUsage()
process.send({ cpu: (user + system) / 1000, memory: process.memoryUsage().rss / 1e6 })
