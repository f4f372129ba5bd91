/** How do servers declare the extensions of their authorization (SEP-2133)? */
import { isPlainObject } from '../../util/json.ts'
import { messagesOf, type ScopelessEndpoint } from '../rpc/messages.ts'
import { mapMessages } from '../rpc/responses.ts'

const methods: readonly unknown[] = ['initialize', 'server/discover']

/**
 * Adds extensions to the capabilities that a server declares, in either era. The server itself
 * stays as it is, and its own declarations have precedence.
 *
 * @param extensions by identifier. Without any, the endpoint is returned as it is
 */
export function withExtensions (
  endpoint: ScopelessEndpoint,
  extensions: Readonly<Record<string, object>>
): ScopelessEndpoint {
  if (Object.keys(extensions).length === 0) return endpoint
  return {
    ...endpoint,
    async handle (request) {
      const response = await endpoint.handle(request)
      const asked = messagesOf(request.body).find(({ method }) => methods.includes(method))
      if (asked === undefined) return response
      return await mapMessages(response, message => {
        const { id, result } = message
        if (id !== asked.id || !isPlainObject(result)) return message
        const { capabilities } = result
        if (!isPlainObject(capabilities)) return message
        const declared = { ...extensions, ...Object(capabilities.extensions) }
        return {
          ...message,
          result: { ...result, capabilities: { ...capabilities, extensions: declared } }
        }
      })
    }
  }
}
