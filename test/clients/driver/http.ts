/** A request that the driver sent, and the status of its response. */
export interface SentRequest {
  method: string
  url: string
  headers: Record<string, string>
  body?: string
  status: number
}

/** A response whose body was read. */
export interface Received {
  status: number
  headers: Headers
  text: string
}

export interface Init {
  method?: string
  headers?: Record<string, string>
  body?: string
}

/** Sends requests as a client does, and keeps them. */
export interface Requester {
  sent: SentRequest[]
  send(url: string, init?: Init): Promise<Received>
  /** Opens a stream, and closes it when the status is known. */
  open(url: string, init?: Init): Promise<number>
  form(url: string, form: URLSearchParams, headers?: Record<string, string>): Promise<Received>
}

export function createRequester (fetch: typeof globalThis.fetch): Requester {
  const request = async (
    url: string,
    { method = 'GET', headers = {}, body }: Init,
    end?: AbortSignal
  ) => {
    const entry: SentRequest = {
      method,
      url,
      headers,
      status: 0,
      ...body !== undefined && { body }
    }
    requester.sent.push(entry)
    const response = await fetch(url, {
      method,
      headers,
      redirect: 'manual',
      ...body !== undefined && { body },
      ...end && { signal: end }
    })
    entry.status = response.status
    return response
  }
  const requester: Requester = {
    sent: [],
    async send (url, init = {}) {
      const response = await request(url, init)
      return { status: response.status, headers: response.headers, text: await response.text() }
    },
    async open (url, init = {}) {
      const controller = new AbortController()
      const { status } = await request(url, init, controller.signal)
      controller.abort()
      return status
    },
    form: (url, form, headers = {}) =>
      requester.send(url, {
        method: 'POST',
        headers: {
          accept: 'application/json',
          'content-type': 'application/x-www-form-urlencoded',
          ...headers
        },
        body: form.toString()
      })
  }
  return requester
}

/** A JSON object, or undefined. */
export function objectOf (text: string): Record<string, any> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** The parameters of a Bearer challenge, quoted or not. */
export function challengeOf (headers: Headers): Record<string, string> {
  const header = headers.get('www-authenticate') ?? ''
  return Object.fromEntries(
    [...header.matchAll(/(\w+)=(?:"((?:\\.|[^"\\])*)"|([^\s,]+))/g)].map(
      ([, name = '', quoted, token]) => [name, quoted?.replace(/\\(.)/g, '$1') ?? token ?? '']
    )
  )
}
