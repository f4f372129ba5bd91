import { steps, type ClientFacts, type Reaction, type Step } from './client.ts'
import { createAccount } from './driver/account.ts'
import { completeFacts } from './driver/commonest.ts'
import { firstChallenge } from './driver/discovery.ts'
import { challengeOf, createRequester, type Received, type SentRequest } from './driver/http.ts'
import type { Configuration, Credentials } from './driver/identify.ts'
import { initializeParams, modern, post, resultOf, type Connection } from './driver/mcp.ts'

export interface ToolCall {
  name: string
  arguments?: Record<string, unknown>
}

export interface DriverOptions {
  /** The user's browser: opens the URL, logs in and returns the callback URL it ends at. */
  browser: (authorizationUrl: URL) => Promise<URL | string>
  /** Default: that of Node. */
  fetch?: typeof globalThis.fetch
  /** What the user entered: a client id, and scopes. */
  configuration?: Configuration
  /** Tool of the step `call`. Default: the first one that is listed. */
  tool?: ToolCall
  /** Tool of the step `step up`, which needs more scopes than the login requests. */
  protectedTool?: ToolCall
}

export interface StepResult {
  step: Step
  /** `not done`: the client has no such step, or an earlier one failed. */
  outcome: 'ok' | 'failed' | 'not done'
  /** Why it failed, or was not done. */
  problem?: string
  /** The reason in the facts, if they state that the step must fail. */
  explained?: string
  requests: SentRequest[]
}

/** A client in use: its steps can be run one by one, e.g. with a restart of the server between. */
export interface DrivenClient {
  /** Facts that are unknown, for which the commonest way is taken. */
  assumed: readonly string[]
  readonly credentials: Credentials | undefined
  readonly tokens: Record<string, any> | undefined
  /** Names of the listed tools. */
  readonly tools: readonly string[]
  run(step: Step): Promise<StepResult>
}

/** Plays a client at an MCP server, with plain HTTP. */
export function openClient (facts: ClientFacts, mcp: string, options: DriverOptions): DrivenClient {
  const { known, assumed } = completeFacts(facts)
  const { name } = facts
  const http = createRequester(options.fetch ?? globalThis.fetch)
  const account = createAccount(known, mcp, http, options)
  const [firstVersion = ''] = known.protocolVersions
  const isModern = firstVersion >= modern
  const legacy = known.protocolVersions.find(version => version < modern)
  const connection: Connection = { protocol: undefined, session: undefined }
  let isConnected = false
  let ids = 0
  let tools: string[] = []

  const message = (method: string, params: Record<string, unknown> = {}) =>
    post(http, mcp, connection, {
      method,
      params,
      token: account.tokens?.['access_token'],
      name,
      ...!method.startsWith('notifications/') && { id: ++ids }
    })

  function reset (): void {
    connection.protocol = isModern ? firstVersion : undefined
    connection.session = undefined
    isConnected = false
  }

  async function register (): Promise<void> {
    reset()
    const challenge = await firstChallenge(known, mcp, http, () =>
      isModern
        ? message('server/discover')
        : message('initialize', initializeParams(firstVersion, name)))
    await account.register(challenge)
  }

  const react: Record<Reaction, (refusal: Received) => Promise<void>> = {
    refresh: () => account.refresh(),
    'log in': refusal => refusal.status === 403 ? account.stepUp(refusal) : account.logIn(),
    async 'register again' () {
      await register()
      await account.logIn()
    },
    async initialize () {
      reset()
      await connect()
    },
    repeat: async () => {},
    async 'old transport' () {
      const status = await http.open(mcp, { headers: headersWith('text/event-stream') })
      throw new Error(`GET was answered with ${status}`)
    },
    stop: () => Promise.reject(new Error('The client stops'))
  }

  const reactionsTo = ({ status, headers }: Received, method: string): readonly Reaction[] => {
    if (status === 401) return known.on401
    if (status === 403 && challengeOf(headers)['error'] === 'insufficient_scope') return known.on403
    if (method === 'initialize' && known.oldTransport.includes(status)) return ['old transport']
    if (status === 404 && connection.session !== undefined) return known.on404
    return status >= 500 ? known.on5xx : []
  }

  /** Sends a request, and again after the first reaction to its refusal that succeeds. */
  async function request (method: string, params: Record<string, unknown> = {}): Promise<Received> {
    const response = await message(method, params)
    const problems: string[] = []
    for (const reaction of reactionsTo(response, method)) {
      try {
        await react[reaction](response)
      } catch (error) {
        problems.push(`${reaction}: ${error instanceof Error ? error.message : String(error)}`)
        continue
      }
      return await message(method, params)
    }
    if (problems.length === 0) return response
    throw new Error(`${method} was answered with ${response.status}; ${problems.join('; ')}`)
  }

  async function connect (): Promise<void> {
    if (isModern) {
      const response = await request('server/discover')
      const versions = response.status === 200 || legacy === undefined
        ? resultOf(response, 'server/discover')['supportedVersions']
        : []
      if (versions.includes(firstVersion)) return
      if (legacy === undefined) throw new Error(`The server does not support ${firstVersion}`)
    }
    connection.protocol = undefined
    const offered = isModern ? String(legacy) : firstVersion
    const response = await request('initialize', initializeParams(offered, name))
    connection.protocol = resultOf(response, 'initialize')['protocolVersion']
    connection.session = response.headers.get('mcp-session-id') ?? undefined
    await message('notifications/initialized')
    if (known.opensStream) await http.open(mcp, { headers: headersWith('text/event-stream') })
  }

  const headersWith = (accept: string) => ({
    accept,
    authorization: `Bearer ${account.tokens?.['access_token']}`,
    'mcp-protocol-version': connection.protocol ?? '',
    ...connection.session !== undefined && { 'mcp-session-id': connection.session }
  })

  async function list (): Promise<void> {
    if (!isConnected) await connect()
    isConnected = true
    const result = resultOf(await request('tools/list'), 'tools/list')
    tools = result['tools'].map(({ name }: { name: string }) => name)
  }

  async function call ({ name, arguments: args = {} }: ToolCall): Promise<void> {
    const result = resultOf(await request('tools/call', { name, arguments: args }), 'tools/call')
    if (result['isError'] === true) {
      throw new Error(`The tool ${name} failed: ${JSON.stringify(result)}`)
    }
  }

  const leave = {
    'revoke refresh token': () => account.revoke('refresh_token'),
    'revoke access token': () => account.revoke('access_token'),
    async 'end session' () {
      if (connection.session === undefined) return
      await http.send(mcp, { method: 'DELETE', headers: headersWith('application/json') })
    },
    async forget () {
      account.tokens = undefined
    }
  }

  /** The steps. One that cannot be done returns the reason. */
  const run: Record<Step, () => Promise<string | void>> = {
    register,
    'log in': () => account.logIn(),
    list,
    async call () {
      const [first] = tools
      const tool = options.tool ?? (first === undefined ? undefined : { name: first })
      return tool ? await call(tool) : 'The server lists no tool'
    },
    async refresh () {
      if (!known.refresh) return 'The client never refreshes'
      await account.refresh()
      return await list()
    },
    async 'step up' () {
      const { protectedTool } = options
      if (known.on403.every(reaction => reaction === 'stop')) return 'The client has no step-up'
      return protectedTool ? await call(protectedTool) : 'There is no tool that needs more scopes'
    },
    async 'sign out' () {
      for (const action of known.signOut) await leave[action]()
      reset()
    },
    async 'log in again' () {
      await account.logIn()
      await list()
    }
  }

  return {
    assumed,
    get credentials () {
      return account.credentials
    },
    get tokens () {
      return account.tokens
    },
    get tools () {
      return tools
    },
    async run (step) {
      const before = http.sent.length
      const result = (more: Omit<StepResult, 'step' | 'requests'>): StepResult => ({
        step,
        ...more,
        requests: http.sent.slice(before)
      })
      try {
        const reason = await run[step]()
        return result(reason ? { outcome: 'not done', problem: reason } : { outcome: 'ok' })
      } catch (error) {
        const explained = facts.cannot?.[step]
        const problem = error instanceof Error ? error.message : String(error)
        return result({ outcome: 'failed', problem, ...explained !== undefined && { explained } })
      }
    }
  }
}

export interface Replay {
  client: string
  assumed: readonly string[]
  steps: StepResult[]
}

/** Runs all steps in their order. After a failure without explanation the others are not done. */
export async function replay (
  facts: ClientFacts,
  mcp: string,
  options: DriverOptions
): Promise<Replay> {
  const client = openClient(facts, mcp, options)
  const results: StepResult[] = []
  for (const step of steps) {
    const isOver = results.some(({ outcome, explained }) => outcome === 'failed' && !explained)
    results.push(
      isOver
        ? { step, outcome: 'not done', problem: 'An earlier step failed', requests: [] }
        : await client.run(step)
    )
  }
  return { client: facts.name, assumed: client.assumed, steps: results }
}
