/** The scopes a tool needs beyond those of the route. */
export type ToolScopes = (tool: string) => readonly string[]

/** Reads the option `toolScopes`, whose own word about a tool comes first. */
export function toolScopesOf (option: Readonly<Record<string, readonly string[]>> | ((tool: string) => readonly string[] | undefined) | undefined, routes: ToolScopes = () => []): ToolScopes {
  return (tool) => {
    const own = typeof option === 'function' ? option(tool) : option && Object.hasOwn(option, tool) ? option[tool] : undefined
    return own ?? routes(tool)
  }
}

/** All scopes that the tool calls in a JSON-RPC body need together. A batch is one request: it needs what all of its calls need. */
export function scopesOfCalls (body: unknown, scopesOf: ToolScopes): string[] {
  const messages = Array.isArray(body) ? body : [body]
  return [...new Set(messages.flatMap(message => {
    const { method, params } = Object(message) as { method?: unknown, params?: unknown }
    const { name } = Object(params) as { name?: unknown }
    return method === 'tools/call' && typeof name === 'string' ? scopesOf(name) : []
  }))]
}
