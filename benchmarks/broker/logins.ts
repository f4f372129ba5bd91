import { fork } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import Fastify from 'fastify'
import { mcpOAuth } from '../../lib/index.ts'
import { brokerOptions } from '../scale/order.ts'

// CPU time of the broker for each step of a login, in microseconds. The provider is a process of
// its own. Requests are injected, so that the client costs little: `logins.ts [rounds] [logins]`.

const [rounds = 5, count = 100] = process.argv.slice(2).map(Number)
const publicUrl = 'https://mcp.example.com'
const redirectUri = 'http://127.0.0.1:4711/callback'
const resource = `${publicUrl}/mcp`
const form = { 'content-type': 'application/x-www-form-urlencoded' }

const provider = fork(new URL('../scale/provider.ts', import.meta.url), {
  execArgv: ['--import', 'tsx']
})
const [{ url: issuer }] = await once(provider, 'message') as [{ url: string }]
const app = Fastify()
await app.register(mcpOAuth, { ...brokerOptions, issuer, publicUrl })
await app.ready()

const { client_id: client } = (await app.inject({
  method: 'POST',
  url: '/oauth/register',
  payload: {
    redirect_uris: [redirectUri],
    client_name: 'bench',
    grant_types: ['authorization_code', 'refresh_token']
  }
})).json()

type Step = 'authorize' | 'consent' | 'callback' | 'code' | 'refresh'
const costs: Record<Step, number[]> = {
  authorize: [],
  consent: [],
  callback: [],
  code: [],
  refresh: []
}

for (let round = -2; round < rounds; round++) {
  const used: Record<Step, number> = { authorize: 0, consent: 0, callback: 0, code: 0, refresh: 0 }
  for (let login = 0; login < count; login++) await logIn(used)
  if (round < 0) continue
  for (const step of Object.keys(costs) as Step[]) costs[step].push(used[step] / count)
}
for (const [step, values] of Object.entries(costs)) {
  values.sort((a, b) => a - b)
  console.log(
    step.padEnd(10),
    Math.round(values[0] ?? NaN),
    Math.round(values[values.length >> 1] ?? NaN)
  )
}
provider.kill()
await app.close()

async function logIn (used: Record<Step, number>): Promise<void> {
  async function measured<Result> (step: Step, run: () => Promise<Result>): Promise<Result> {
    const before = process.cpuUsage()
    const result = await run()
    const { user, system } = process.cpuUsage(before)
    used[step] += user + system
    return result
  }
  const verifier = randomBytes(32).toString('base64url')
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: client,
    redirect_uri: redirectUri,
    state: 'state',
    code_challenge_method: 'S256',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    resource
  })
  const page = await measured(
    'authorize',
    async () => await app.inject(`/oauth/authorize?${query}`)
  )
  const cookies = new Map<string, string>()
  const keep = ({ cookies: set }: typeof page): void => {
    for (const { name, value } of set) cookies.set(name, value)
  }
  const cookie = (): string => [...cookies].map(pair => pair.join('=')).join('; ')
  keep(page)
  const request = /name="request" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
  const consented = await measured('consent', async () =>
    await app.inject({
      method: 'POST',
      url: '/oauth/consent',
      headers: { ...form, origin: publicUrl, 'sec-fetch-site': 'same-origin', cookie: cookie() },
      payload: String(new URLSearchParams({ request, action: 'approve' }))
    }))
  keep(consented)
  const atProvider = await fetch(String(consented.headers.location), {
    redirect: 'manual',
    headers: { cookie: 'user=bench' }
  })
  const back = new URL(atProvider.headers.get('location') ?? '')
  const returned = await measured(
    'callback',
    async () =>
      await app.inject({ url: back.pathname + back.search, headers: { cookie: cookie() } })
  )
  const code = new URL(String(returned.headers.location)).searchParams.get('code') ?? ''
  const tokenRequest = async (parameters: Record<string, string>) =>
    (await app.inject({
      method: 'POST',
      url: '/oauth/token',
      headers: form,
      payload: String(new URLSearchParams({ ...parameters, client_id: client, resource }))
    })).json()
  const tokens = await measured('code', async () =>
    await tokenRequest({
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier
    }))
  const { access_token: token } = await measured(
    'refresh',
    async () =>
      await tokenRequest({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token })
  )
  if (typeof token !== 'string') throw new Error('The login failed')
}
