import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test, type TestContext } from 'node:test'
import type { ConsentConfig } from '../../lib/options/consent.ts'
import type { ErrorPageDetails } from '../../lib/options/page-details.ts'
import { en } from '../../lib/pages/messages/en.ts'
import { basePage, serve, type ErrorQuery } from '../support/consent-page.ts'

interface Setup {
  consent?: ConsentConfig
  headers?: Record<string, string>
}

/** An error page, and the lines of the log. */
async function get (t: TestContext, query: ErrorQuery, { consent = {}, headers = {} }: Setup = {}) {
  const lines: Array<Record<string, unknown>> = []
  const stream = new Writable({
    write (chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)))
      done()
    }
  })
  const app = serve(t, { ...basePage, consent }, {
    logger: { stream },
    requestIdHeader: 'x-request-id'
  })
  const reply = await app.inject({
    url: '/error',
    query: query as Record<string, string>,
    headers: { accept: 'text/html', ...headers }
  })
  return { ...reply, headers: reply.headers, statusCode: reply.statusCode, body: reply.body, lines }
}

const titleOf = (body: string) => /<h1 id="title">(.*)<\/h1>/.exec(body)?.[1]

for (
  const [query, name] of [
    [{}, 'authorize'],
    [{ step: 'consent' }, 'consent'],
    [{ step: 'callback' }, 'callback'],
    [{ kind: 'unsupportedResponseType' }, 'authorize'],
    [{ kind: 'accessDenied', step: 'callback' }, 'callback'],
    [{ kind: 'invalidClient' }, 'invalidClient'],
    [{ kind: 'invalidClient', page: 'document' }, 'document'],
    [{ kind: 'invalidScope' }, 'invalidScope'],
    [{ kind: 'invalidTarget' }, 'invalidTarget'],
    [{ kind: 'tooManyRequests', step: 'consent' }, 'tooManyRequests'],
    [{ kind: 'providerUnavailable', step: 'callback' }, 'unavailable'],
    [{ kind: 'providerTimeout' }, 'unavailable'],
    [{ kind: 'internal', page: 'usedPage' }, 'broken'],
    [{ step: 'consent', page: 'expiredPage' }, 'expiredPage'],
    [{ step: 'consent', page: 'otherBrowser', kind: 'accessDenied' }, 'otherBrowser']
  ] as Array<[ErrorQuery, keyof typeof en.errors]>
) {
  test(`error page: ${JSON.stringify(query)} has the title "${en.errors[name].title}"`, async (t) => {
    const { body } = await get(t, query)
    const { title, text } = en.errors[name]
    assert.equal(titleOf(body), title)
    assert.ok(body.includes(`<title>${title}</title>`))
    assert.ok(body.includes(`<p>${text.replaceAll("'", '&#39;')}</p>`))
    const { [name]: advice = en.advice.restart } = en.advice as Record<string, string>
    assert.ok(body.includes(`<p>${advice}</p>`))
  })
}

test('error page: shows the id that the log line has, and the cause in English', async (t) => {
  const { body, lines, headers } = await get(t, { page: 'expiredPage', step: 'consent' }, {
    headers: { 'accept-language': 'de-AT,de;q=0.9,en;q=0.8' }
  })
  assert.match(body, /<html lang="de" dir="ltr">/)
  assert.equal(titleOf(body), 'Diese Seite ist abgelaufen')
  assert.match(body, /<p lang="en" dir="ltr">The request is malformed\.<\/p>/)
  assert.match(body, /Fehler: <code>invalid_request<\/code>/)
  const [, reference] = /Referenz: <code>(.+?)<\/code>/.exec(body) ?? []
  const line = lines.find(({ code }) => code === 'FST_MCP_OAUTH_INVALID_REQUEST')
  assert.ok(reference)
  assert.equal(line?.['reqId'], reference)
  assert.equal(headers['content-language'], 'de')
  assert.equal(headers.vary, 'Accept-Language')
  assert.equal(headers['cross-origin-opener-policy'], 'unsafe-none')
})

test('error page: is read from right to left in Arabic, but for the cause', async (t) => {
  const { body } = await get(t, {}, { headers: { 'accept-language': 'ar-EG' } })
  assert.match(body, /<html lang="ar" dir="rtl">/)
  assert.match(body, /<p lang="en" dir="ltr">/)
})

test('error page: escapes and cuts a request id that the caller chose [N-11]', async (t) => {
  const id = `<script>alert(1)</script>${'x'.repeat(200)}`
  const { body } = await get(t, {}, { headers: { 'x-request-id': id } })
  assert.doesNotMatch(body, /<script/)
  assert.match(body, /Reference: <code>&#60;script&#62;alert\(1\)&#60;\/script&#62;x{75}<\/code>/)
})

test('error page: links to the application only where it may go back', async (t) => {
  const back = 'https://owl.example/cb?error="><b>'
  const { body } = await get(t, { kind: 'invalidScope', back })
  assert.match(body, /<a rel="noreferrer" href="https:[^"<>]*">Back to owl\.example<\/a>/)
  assert.ok(!body.includes(en.advice.restart))
  const app = await get(t, { kind: 'invalidScope', back: 'cursor:/cb' })
  assert.match(app.body, /Back to cursor:</)
})

test('error page: clients that prefer JSON get OAuth JSON', async (t) => {
  const { body, headers } = await get(t, { kind: 'invalidScope' }, { headers: { accept: '*/*' } })
  assert.deepEqual(JSON.parse(body), {
    error: 'invalid_scope',
    error_description: 'The requested scope is invalid or unknown.'
  })
  assert.equal(headers['x-frame-options'], 'DENY')
})

test('error page: the operator can render it, with styles of a nonce only', async (t) => {
  let received: ErrorPageDetails | undefined
  const renderError = async (details: ErrorPageDetails) => {
    received = details
    return '<p>ours'
  }
  const { body, statusCode, headers } = await get(
    t,
    { step: 'consent', page: 'usedPage', description: 'Used.' },
    { consent: { renderError }, headers: { 'accept-language': 'fr', 'x-request-id': 'r-1' } }
  )
  const { nonce, ...details } = received as ErrorPageDetails
  assert.deepEqual([statusCode, body], [400, '<p>ours'])
  assert.deepEqual(details, {
    title: 'Vous avez déjà répondu',
    text: 'Cette page a déjà été utilisée, et c’est la première décision qui compte.',
    advice: 'Vous pouvez fermer cette fenêtre et revenir à l’application.',
    cause: 'Used.',
    error: 'invalid_request',
    status: 400,
    reference: 'r-1',
    back: null,
    language: 'fr',
    direction: 'ltr'
  })
  assert.equal(
    headers['content-security-policy'],
    `default-src 'none'; style-src 'nonce-${nonce}'; base-uri 'none'; frame-ancestors 'none'`
  )
  assert.equal(headers['x-frame-options'], 'DENY')
  assert.equal(headers['content-language'], undefined, 'the language is that of the operator')
})

for (
  const [name, renderError] of Object.entries<() => unknown>({
    throws: () => {
      throw new Error('inside')
    },
    rejects: async () => {
      throw new Error('inside')
    },
    'returns no string': () => null
  })
) {
  test(`error page: is ours, with a line in the log, if the renderer ${name}`, async (t) => {
    const { body, statusCode, lines } = await get(t, { kind: 'invalidScope' }, {
      consent: { renderError: renderError as NonNullable<ConsentConfig['renderError']> }
    })
    assert.deepEqual([statusCode, titleOf(body)], [400, en.errors.invalidScope.title])
    const line = lines.find(({ msg }) => /^Could not render an error page/.test(String(msg)))
    assert.equal(line?.['plugin'], 'mcp-oauth')
  })
}

test('error page: is ours if the renderer takes 5 seconds', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const renderError = () =>
    new Promise<string>(() => {
      setImmediate(() => {
        t.mock.timers.tick(5_000)
      })
    })
  const { body } = await get(t, {}, { consent: { renderError } })
  assert.equal(titleOf(body), en.errors.authorize.title)
})
