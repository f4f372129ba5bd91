/** Which valid options are probably a mistake? */
import type { Config } from './config.ts'
import type { AllOptions } from './schema.ts'

type Warning = readonly [details: object, message: string]

/**
 * Lists what the log should warn of when a registration starts.
 *
 * @param requestTimeoutMs the `requestTimeout` of the server; 0 for none
 */
export function* warningsOf (
  { auth, clientSecret, setupProxies }: AllOptions,
  { mcp, prefix, publicUrl }: Config,
  requestTimeoutMs: number
): Generator<Warning> {
  if (Date.now() < Date.UTC(2024, 0)) {
    yield [
      {},
      'The clock of this machine is years behind: tokens of other issuers will seem to be from ' +
      'the future, and tokens of this server will seem expired to others'
    ]
  }
  if (auth === false) {
    yield [
      { path: prefix + mcp.path },
      'Option auth is false: every caller who reaches this server may use its MCP route'
    ]
  }
  if (publicUrl !== null && requestTimeoutMs === 0) {
    yield [
      { option: 'requestTimeout' },
      'Requests have no time limit: give fastify() a requestTimeout, such as 30000, against ' +
      'clients that send slowly on purpose'
    ]
  }
  if (publicUrl !== null && new URL(publicUrl).pathname.endsWith(mcp.path)) {
    yield [
      { option: 'publicUrl' },
      `Option publicUrl ends with ${mcp.path}, which is the path of the MCP route: give the ` +
      'address of the app, without it'
    ]
  }
  if (clientSecret !== undefined && !setupProxies) {
    yield [
      { option: 'clientSecret' },
      'Option clientSecret has no effect without setupProxies: clients log in at the provider ' +
      'themselves'
    ]
  }
}
