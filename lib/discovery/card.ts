/** How do clients learn about the MCP server before they connect (SEP-2127)? */
import type { FastifyInstance } from 'fastify'
import { startupError } from '../errors.ts'
import { maxCardNameChars, maxCardTextChars } from '../limits.ts'
import type { Config } from '../options/config.ts'
import type { UrlSource } from '../urls.ts'
import { pathsOf, publish, slotsOf, type Representation } from './documents.ts'

const cors = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'ETag',
  'cache-control': 'public, max-age=3600'
}
const cardType = 'application/mcp-server-card+json'
const card: Representation = { type: cardType, headers: cors, isChecked: true }
const catalog: Representation = {
  type: 'application/ai-catalog+json',
  headers: cors,
  isChecked: true
}

const schema = 'https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json'

/** Only while the app has one registration. The card itself is at the URL of the MCP route. */
const bareCards = ['/.well-known/mcp/server-card', '/.well-known/mcp']
const catalogPath = '/.well-known/ai-catalog.json'

/** The cards of an app, for its catalog. */
interface Listed {
  name: string
  entry: () => { identifier: string, type: string, url: string }
}

const kCards = Symbol('fastify-mcp-oauth.cards')

/**
 * Serves the server card of a registration, and the AI catalog of the app, which lists all cards.
 *
 * @param versions the revisions of MCP that the server supports; undefined if they are unknown
 * @throws {McpOAuthError} `duplicateRegistration` if another registration has the same name
 */
export function serverCardRoutes (
  root: FastifyInstance,
  config: Config,
  urls: UrlSource,
  versions: () => readonly string[] | undefined
) {
  const { mcp } = config
  const { name, version = mcp.version, description, ...more } = mcp.card === true
    ? {}
    : mcp.card ?? {}
  const nameNow = () => name ?? nameFor(new URL(urls().resource), mcp.name)
  const document = () => {
    const { resource } = urls()
    const supported = versions()
    return JSON.stringify({
      $schema: schema,
      name: nameNow(),
      version,
      description: description ??
        `MCP server at ${new URL(resource).host}`.slice(0, maxCardTextChars),
      ...more,
      remotes: [{
        type: 'streamable-http',
        url: resource,
        ...supported && { supportedProtocolVersions: supported }
      }]
    })
  }
  const slotAt = slotsOf(root, urls)
  const paths = pathsOf(config).map(path => `${path}${mcp.path}/server-card`)
  publish(slotAt, paths, document, bareCards, card)
  list({
    name: nameNow(),
    entry: () => ({
      identifier: identifierOf(nameNow()),
      type: cardType,
      url: `${urls().resource}/server-card`
    })
  })

  function list (listed: Listed) {
    if (!root.hasDecorator(kCards)) {
      const all: Listed[] = []
      root.decorate(kCards, all)
      const entries = () =>
        JSON.stringify({ specVersion: '1.0', entries: all.map(({ entry }) => entry()) })
      publish(slotAt, [catalogPath], entries, [], catalog)
    }
    const all = root.getDecorator<Listed[]>(kCards)
    if (all.some(({ name }) => name === listed.name)) {
      throw startupError(
        'duplicateRegistration',
        `mcp.card: two registrations have the name ${listed.name}. Give each its own mcp.card.name`
      )
    }
    all.push(listed)
  }
}

/** The name of a server in the namespace of its host: `com.example.mcp/notes`. */
function nameFor ({ hostname }: URL, name: string) {
  const namespace = hostname.split('.').reverse().join('.').replace(/[^a-zA-Z0-9.-]/g, '')
  return `${namespace}/${name.replace(/[^\w.-]+/g, '-')}`.slice(0, maxCardNameChars)
}

/** `urn:air:example.com:mcp:notes` for `com.example/notes`. */
function identifierOf (name: string) {
  const [namespace = '', own] = name.split('/')
  return `urn:air:${namespace.split('.').reverse().join('.')}:mcp:${own}`
}
