import type { ClientFacts } from '../clients/client.ts'
import { probes, type RecordedRequest } from './proxy.ts'

// Which facts does a recording state? Each as a text, by its name.

export type Observed = Readonly<Record<string, string>>

const { stringify } = JSON

/** A redirect URI without its port, if that is not a fixed one. */
function withoutPort (uri: string, { ports }: Pick<ClientFacts, 'ports'>): string {
  return uri.replace(
    /^(http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])):(\d+)/,
    (text, host, port) =>
      Array.isArray(ports) && ports.includes(Number(port)) ? text : `${host}:{port}`
  )
}

/** The facts that a comparison knows, of all requests that a client sent in a run. */
export function observe (
  recorded: readonly RecordedRequest[],
  facts: Pick<ClientFacts, 'ports'>
): Observed {
  const observed: Record<string, string> = {}
  for (const probe of Object.keys(probes)) {
    const paths = recorded.filter(({ step }) => step === probe).map(({ path }) => path)
    const searched = paths.filter(path => path.includes('/.well-known/'))
    // A client that looks again, e.g. for another transport, does so in the same order.
    const again = searched.findIndex((path, index) => searched.indexOf(path) < index)
    observed[`URLs ${probe}`] = searched.slice(0, again === -1 ? undefined : again).join(' ')
    observed[`registration ${probe}`] = paths.find(path => path.endsWith('/register')) ?? 'none'
  }
  const requests = recorded.filter(({ step }) => !(step in probes))
  const ofRequest = (kind: string, members: Readonly<Record<string, unknown>>): void => {
    for (const [name, value] of Object.entries(members)) {
      observed[`${kind}: ${name}`] = withoutPort(
        typeof value === 'string' ? value : stringify(value),
        facts
      )
    }
  }
  const grant = (name: string) => requests.find(({ params }) => params['grant_type'] === name)
  const form = (request: RecordedRequest | undefined) =>
    request && {
      ...request.params,
      ...request.params['client_id'] !== undefined && { client_id: clientId(request) },
      ...request.headers['authorization'] !== undefined &&
        { authorization: request.headers['authorization'] }
    }

  const [first] = requests
  if (first) observed['first request'] = `${first.method} ${first.path}`
  const [rpc] = requests.flatMap(({ json, headers }) =>
    json?.method === 'initialize' || json?.method === 'server/discover' ? [{ json, headers }] : []
  )
  if (rpc) {
    const { method, params } = rpc.json
    observed['first message'] = method
    observed['protocol version'] = method === 'initialize'
      ? params.protocolVersion
      : rpc.headers['mcp-protocol-version']
  }
  observed['opens the GET stream'] =
    requests.some(({ method, headers }) =>
        method === 'GET' && headers['accept']?.includes('text/event-stream')
      )
      ? 'yes'
      : 'no'
  const metadata = requests.filter(({ path }) => path.includes('/.well-known/'))
  observed['URLs of metadata'] = [...new Set(metadata.map(({ path }) => path))].join(' ')
  const { headers = {} } = metadata.find(({ path }) => !path.includes('protected-resource')) ?? {}
  for (const name of ['accept', 'mcp-protocol-version']) {
    if (name in headers) {
      observed[`headers of requests for server metadata: ${name}`] = headers[name] as string
    }
  }
  const registration = requests.find(({ path }) => path.endsWith('/register'))?.json
  if (registration) {
    ofRequest('registration', {
      ...registration,
      redirect_uris: registration.redirect_uris.map((uri: string) => withoutPort(uri, facts))
    })
  }
  const authorization = requests.find(({ path }) => path.endsWith('/authorize'))
  ofRequest('authorization request', form(authorization) ?? {})
  ofRequest('token request', form(grant('authorization_code')) ?? {})
  ofRequest('refresh', form(grant('refresh_token')) ?? {})
  return observed
}

function clientId ({ params }: RecordedRequest): string {
  return params['client_id']?.startsWith('https://') ? params['client_id'] : '{registered}'
}

/** The differences of two observations, one sentence each. */
export function differences (client: string, recorded: Observed, expected: Observed): string[] {
  const names = [...new Set([...Object.keys(expected), ...Object.keys(recorded)])]
  const written = (value: string | undefined) => value === undefined ? 'none' : `\`${value}\``
  return names.filter(name => recorded[name] !== expected[name]).map(name =>
    `${client}: ${name}: recorded ${written(recorded[name])}, expected ${written(expected[name])}.`
  )
}
