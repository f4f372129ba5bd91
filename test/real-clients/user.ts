import { headlessOAuth, type HeadlessOAuth } from '../../docs/examples/demo/client.ts'
import type { Context, Report } from './child.ts'
import { probes } from './proxy.ts'

// How does an application use a library of clients? It is refused, logs in, and connects again.

export interface Connection {
  list(): Promise<unknown>
  call(): Promise<unknown>
}

export interface Library {
  /** Connects. It is refused as long as the user has no tokens. */
  connect(user: HeadlessOAuth): Promise<Connection>
  /** Exchanges the code of the callback. */
  finish(user: HeadlessOAuth, callback: URLSearchParams): Promise<unknown>
}

/** Runs a library with a user who logs in with a browser without a screen. */
export async function runLibrary (
  { begin }: Context,
  clientName: string,
  { connect, finish }: Library
): Promise<Report> {
  const createUser = () =>
    headlessOAuth({
      redirectUrl: 'http://localhost:4711/callback',
      metadata: { client_name: clientName }
    })
  for (const probe of Object.keys(probes)) {
    await begin(probe)
    await connect(createUser()).catch(() => {})
  }
  const user = createUser()
  await begin('log in')
  const early = await connect(user).catch((error: unknown) => {
    if (!user.login?.code) throw error
  })
  if (early || !user.login) throw new Error('The client was connected without a login')
  await finish(user, user.login.url.searchParams)
  const connection = await connect(user)
  await begin('list')
  const list = await connection.list()
  await begin('call')
  const call = await connection.call()
  await begin('refresh')
  await connection.call()
  return { list, call }
}

/** A connection of either SDK. */
export async function connectionOf (client: any, transport: unknown): Promise<Connection> {
  await client.connect(transport)
  return {
    list: () => client.listTools(),
    call: () => client.callTool({ name: 'whoami', arguments: {} })
  }
}
