import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

// How is one client run? In a process of its own, with the Node.js and the packages of this folder.

export interface Context {
  mcpUrl: string
  /** The id of a client that somebody registered. */
  clientId: string | undefined
  /** A folder for its files. */
  folder: string
  /** Where the packages are installed. */
  packages: string
  /** Imports a module of these packages. */
  load(specifier: string): Promise<any>
  /** Begins a step. At `refresh` the access token becomes invalid. */
  begin(step: string): Promise<void>
}

/** What the client returned for two steps. */
export interface Report {
  list: unknown
  call: unknown
}

export type Runner = (context: Context) => Promise<Report>

const { MCP_URL: mcpUrl = '', FOLDER: folder = '', PACKAGES: packages = '' } = process.env
const { CLIENT: client, CLIENT_ID: clientId } = process.env
const parent = pathToFileURL(join(packages, 'package.json')).href
const context: Context = {
  mcpUrl,
  clientId,
  folder,
  packages,
  load: specifier => import(import.meta.resolve(specifier, parent)),
  begin: step =>
    new Promise(resolve => {
      process.once('message', () => resolve())
      process.send?.({ step })
    })
}

if (client !== undefined) {
  const { run } = await import(`./runners/${client}.ts`) as { run: Runner }
  const report = await run(context)
  process.send?.({ report }, () => process.exit(0))
}
