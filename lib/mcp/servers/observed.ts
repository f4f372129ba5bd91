/** Does a handler of the server read who its caller is? */

import type { MessageExtraInfo } from '@modelcontextprotocol/sdk/types.js'

/** Copies what a handler learns of a request. Reading a member of its members calls `onRead`. */
export function observed (extra: MessageExtraInfo, onRead: () => void): MessageExtraInfo {
  return Object.fromEntries(
    Object.entries(extra).map(([name, value]) => [name, withObserver(value, onRead)])
  )
}

/** Copies an object. Reading a member calls `onRead`, and writing one reaches the original. */
function withObserver (value: Record<string, unknown>, onRead: () => void) {
  return Object.defineProperties(
    {},
    Object.fromEntries(
      Object.keys(value).map(name => [name, {
        enumerable: true,
        configurable: true,
        get () {
          onRead()
          return value[name]
        },
        set: (other: unknown) => (value[name] = other)
      }])
    )
  )
}
