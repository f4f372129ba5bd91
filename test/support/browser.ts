import assert from 'node:assert/strict'
import { publicUrl } from './credentials.ts'
import type { Instance } from './flow.ts'
import type { Reply } from './replies.ts'
import { form, sendRequest, type Params } from './requests.ts'

/** Keeps cookies as a browser does for one host, which all instances of a flow are. */
export interface Browser {
  jar: Map<string, string>
  cookie(): string
  get(instance: Instance, path: string, headers?: Record<string, string>): Promise<Reply>
  post(
    instance: Instance,
    path: string,
    params: Params,
    headers?: Record<string, string>
  ): Promise<Reply>
}

export function openBrowser (): Browser {
  const jar = new Map<string, string>()
  const cookie = () => [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
  const keep = (reply: Reply): Reply => {
    for (const line of reply.cookies) {
      const [, name = '', value = '', attributes = ''] = /^([^=]+)=([^;]*)(.*)$/.exec(line) ?? []
      if (/max-age=0/i.test(attributes)) jar.delete(name)
      else jar.set(name, value)
    }
    return reply
  }
  const navigation = () => ({ accept: 'text/html', cookie: cookie() })
  return {
    jar,
    cookie,
    get: async (instance, path, headers = {}) =>
      keep(await instance.send(path, { headers: { ...navigation(), ...headers } })),
    post: async (instance, path, params, headers = {}) => {
      const origin = { origin: publicUrl, 'sec-fetch-site': 'same-origin' }
      return keep(
        await instance.send(path, form(params, { ...navigation(), ...origin, ...headers }))
      )
    }
  }
}

/** The user logs in at the provider. Resolves to the query of the callback. */
export async function signIn (location: URL): Promise<string> {
  const { headers } = await sendRequest(location)
  return new URL(headers.get('location') ?? '').search.slice(1)
}

/** The sealed request in the form of a consent page. */
export function hidden (page: string): string {
  const [, value] = /name="request" value="([^"]+)"/.exec(page) ?? []
  assert.ok(value, page)
  return value
}
