/** Which names do options have? */
import { ClientSchema } from './client.ts'
import { McpOptionsSchema, ToolOptionsSchema } from './mcp.ts'
import { OptionsSchema } from './schema.ts'

/** Names of all options; those of `mcp`, `mcp.tools` and the entries of `clients` with a dot. */
export const optionNames: readonly string[] = [
  ...Object.keys(OptionsSchema.properties),
  ...Object.keys(McpOptionsSchema.properties).map(name => `mcp.${name}`),
  ...Object.keys(ToolOptionsSchema.properties).map(name => `mcp.tools.${name}`),
  ...Object.keys(ClientSchema.properties).map(name => `clients.${name}`)
]
