/** Which valid options are probably a mistake? */
import type { Config } from './config.ts'

type Warning = readonly [applies: boolean, details: object, message: string]

/**
 * Lists what the log should warn of when a registration starts.
 *
 * @param requestTimeoutMs the `requestTimeout` of the server; 0 for none
 */
export function warningsOf (
  { auth, clientSecret, mcp, prefix, publicUrl, setupProxies }: Config,
  requestTimeoutMs: number
): Warning[] {
  const warnings: Warning[] = [
    [
      Date.now() < Date.UTC(2024, 0),
      {},
      'The clock of this machine is years behind: tokens of other issuers will seem to be from ' +
      'the future, and tokens of this server will seem expired to others'
    ],
    [
      auth === false,
      { path: prefix + mcp.path },
      'Option auth is false: every caller who reaches this server may use its MCP route. ' +
      'Remove it unless that is meant'
    ],
    [
      publicUrl !== null && requestTimeoutMs === 0,
      { option: 'requestTimeout' },
      'Requests have no time limit: give fastify() a requestTimeout, such as 30000, against ' +
      'clients that send slowly on purpose'
    ],
    [
      publicUrl !== null && new URL(publicUrl).pathname.endsWith(mcp.path),
      { option: 'publicUrl' },
      `Option publicUrl ends with ${mcp.path}, the path of the MCP route: give the address of the app`
    ],
    [
      clientSecret !== undefined && !setupProxies,
      { option: 'clientSecret' },
      'Option clientSecret has no effect without setupProxies: clients log in at the provider. Remove it'
    ]
  ]
  return warnings.filter(([applies]) => applies)
}
