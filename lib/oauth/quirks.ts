/**
 * Which habits of certain clients do we allow for? Each entry has the client, the version or month
 * that was seen, the source, and when to look whether the client still needs it. None weakens a
 * check for other clients.
 */

/**
 * Callbacks of MCP clients that receive codes by a scheme of their own (RFC 8252 §7.1). As on
 * loopback, any program of the device can claim them, and the consent page says so.
 */
const appCallbacks: ReadonlyArray<string | RegExp> = [
  // Cursor, seen 2026-09. https://cursor.com/docs/mcp. Look again: 2027-06.
  'cursor://anysphere.cursor-mcp/oauth/callback',
  // Warp, seen 2026-04. https://github.com/warpdotdev/warp/issues/9088. Look again: 2027-06.
  'warp://mcp/oauth2callback',
  // Cline, seen 3.42.0. It ends with a hash of the server's name and URL.
  // https://github.com/cline/cline/issues/8103. Look again: 2027-06.
  /^vscode:\/\/saoudrizwan\.claude-dev\/mcp-auth\/callback\/[\da-f]{32}$/
]

/** Whether a URI is the callback of a well-known app, in its exact form. */
export function isAppCallback (uri: string) {
  return appCallbacks.some(form => typeof form === 'string' ? form === uri : form.test(uri))
}
