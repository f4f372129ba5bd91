import assert from 'node:assert/strict'
import { hash } from '../../lib/util/hash.ts'
import { createSealer } from '../../lib/crypto/sealer.ts'
import { matrix } from '../support/matrix.ts'
import {
  isPage,
  isErrorRedirect,
  loopbackUri,
  openBrowser,
  publicUrl,
  secret,
  signIn,
  providerClient,
  redeem,
  type Flow,
  type Instance
} from '../support/flow.ts'

const form = { 'content-type': 'application/x-www-form-urlencoded' }

function sealerOf ({ provider, prefix }: Flow) {
  return createSealer([secret], `${provider.issuer} ${providerClient.clientId} ${prefix}`)
}

matrix(
  'POST /oauth/consent rejects any other page or browser, and changes nothing [N-01..N-08]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const authorization = flow.params(await flow.register())
    const browser = openBrowser()
    const request = await flow.form(browser, authorization)
    const otherBrowser = openBrowser()
    const foreignRequest = await flow.form(otherBrowser, authorization)
    const [[csrfName = '', csrf = ''] = []] = browser.jar
    const send = (params: Record<string, string | undefined> | string, headers = {}) =>
      browser.post(flow, '/oauth/consent', params, headers)

    for (
      const value of [
        undefined,
        '',
        'x',
        'a.b.c.d.e',
        `${request}A`,
        request.slice(0, -1),
        request.replace(/.$/, last => last === 'A' ? 'B' : 'A')
      ]
    ) {
      isPage(
        await send({ request: value, action: 'approve' }),
        400,
        'invalid_request',
        `N-01 ${value?.length}`
      )
    }
    isPage(
      await send(`request=${request}&request=${request}&action=approve`),
      400,
      'invalid_request',
      'N-01 twice'
    )
    for (const action of [undefined, '', 'allow', 'APPROVE', 'approve ']) {
      isPage(
        await send({ request, action }),
        400,
        'invalid_request'
      )
    }

    isPage(
      await send({ request: foreignRequest, action: 'approve' }),
      403,
      'access_denied',
      'N-02 N-05'
    )
    for (
      const cookie of [
        '',
        `${csrfName}=`,
        `${csrfName}=x`,
        `${csrfName.slice('__Host-'.length)}=${csrf}`,
        `${csrfName}=${csrf}; ${csrfName}=${csrf}`,
        `${csrfName}=${csrf}x`,
        `${csrfName}x=${csrf}`,
        `${csrfName}=${'x'.repeat(5000)}`,
        `x${csrfName}=${csrf}`,
        `\u00a0${csrfName}=${csrf}`
      ]
    ) {
      isPage(
        await send({ request, action: 'approve' }, { cookie }),
        403,
        'access_denied',
        `N-06 N-07 ${cookie.slice(0, 60)}`
      )
    }
    for (
      const headers of [
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site' },
        { 'sec-fetch-site': 'none' },
        { origin: 'https://evil.example' },
        { origin: `${publicUrl}.evil.example` },
        { origin: 'http://mcp.example.com' }
      ]
    ) {
      isPage(
        await send({ request, action: 'approve' }, headers),
        403,
        'access_denied',
        `N-08 ${JSON.stringify(headers)}`
      )
    }
    for (const path of [`/oauth/consent?request=${request}&action=approve`]) {
      assert.equal((await browser.get(flow, path)).status, 405, 'N-03')
      assert.equal((await flow.send(path, { method: 'HEAD' })).status, 405, 'N-03')
      assert.equal(
        (await browser.get(flow, path, { 'x-http-method-override': 'POST' })).status,
        405,
        'N-04'
      )
    }
    assert.equal(
      (await browser.get(flow, `/oauth/authorize?request=${request}&action=approve&_method=POST`))
        .location,
      null
    )
    assert.equal(
      (await flow.send('/oauth/consent', {
        method: 'POST',
        headers: { ...form, 'content-type': 'application/json' },
        body: '{}'
      })).status,
      400
    )
    assert.equal(
      (await flow.send('/oauth/consent', {
        method: 'POST',
        headers: form,
        body: `x=${'x'.repeat(33_000)}`
      })).status,
      413
    )
    assert.equal(flow.provider.requests.length, 0)

    const approved = await send({ request, action: 'approve' })
    assert.equal(approved.status, 303, 'the rejected requests leave the page valid')
    assert.match(
      approved.cookies[0] ?? '',
      /^__Host-mcp-login\.[\da-z]{64}=[\w.-]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
      'CD-05'
    )
    assert.equal(approved.cookies.length, 1)
    assert.ok(!approved.cookies[0]?.includes(csrf))
  }
)

matrix(
  'POST /oauth/consent has one result for a page, however often its form is sent [N-09 N-16 field:S9]',
  async ({ startFlow }) => {
    const flow = await startFlow({ instances: 2 })
    const [one, two] = flow.instances as [Instance, Instance]
    const browser = openBrowser()
    const id = await flow.register()
    const request = await flow.form(browser, flow.params(id))
    const send = (action: string, instance = one) =>
      browser.post(instance, '/oauth/consent', { request, action })
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, index) => send('approve', index % 2 ? one : two))
    )
    const locations = new Set(replies.map(({ location }) => location?.href))
    assert.deepEqual(replies.map(({ status }) => status), Array(20).fill(303))
    assert.equal(locations.size, 1)
    assert.equal([...browser.jar.keys()].filter(name => name.includes('login')).length, 1)
    isPage(await send('deny'), 400, 'invalid_request', 'the first decision counts')

    const [location = ''] = locations
    const callback = await browser.get(
      one,
      `/oauth/callback?${await signIn(new URL(String(location)))}`
    )
    assert.equal((await send('approve', two)).location?.href, location, 'the code is not redeemed')
    const code = callback.location?.searchParams.get('code') ?? ''
    assert.equal((await flow.token(redeem(id, code))).status, 200)
    for (const instance of [one, two]) {
      const late = await send('approve', instance)
      isPage(late, 400, 'invalid_request')
      assert.match(late.text, /<h1[^>]*>Sign-in is complete<.*already completed/s)
      assert.deepEqual(late.cookies, [])
    }
  }
)

matrix(
  'POST /oauth/consent makes another login for each page [N-09 CD-07]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const browser = openBrowser()
    const id = await flow.register()
    const locations = await Promise.all([1, 2, 3].map(async () => {
      const request = await flow.form(browser, flow.params(id))
      return (await browser.post(flow, '/oauth/consent', { request, action: 'approve' })).location
    }))
    for (const name of ['state', 'code_challenge', 'nonce']) {
      const values = locations.map(location => location?.searchParams.get(name))
      assert.equal(new Set(values).size, 3, name)
    }
  }
)

matrix(
  'POST /oauth/consent with deny returns to the client and sets no login cookie [N-13 field:S9]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const browser = openBrowser()
    const params = flow.params(await flow.register())
    const request = await flow.form(browser, params)
    const denied = await browser.post(flow, '/oauth/consent', { request, action: 'deny' })
    isErrorRedirect(flow, denied, 303, 'access_denied')
    assert.equal(denied.location?.searchParams.get('error_description'), 'The user denied access.')
    assert.deepEqual(denied.cookies, [])
    const again = await browser.post(flow, '/oauth/consent', { request, action: 'deny' })
    assert.equal(again.location?.href, denied.location?.href, 'field:S9')
    isPage(
      await browser.post(flow, '/oauth/consent', { request, action: 'approve' }),
      400,
      'invalid_request',
      'N-13'
    )
    assert.equal(
      (await browser.get(
        flow,
        `/oauth/authorize?${new URLSearchParams(params as Record<string, string>)}`
      )).status,
      200
    )
    assert.equal(flow.provider.requests.length, 0)
  }
)

matrix(
  'lifetimes.consent limits the page, the login and their cookies, and lifetimes.code a complete login',
  async ({ startFlow }, t) => {
    const flow = await startFlow({ options: { lifetimes: { consent: 120, code: 20 } } })
    const browser = openBrowser()
    const params = flow.params(await flow.register())
    const started = Date.now()
    const page = await flow.authorize(params)
    assert.match(page.cookies[0] ?? '', /; Max-Age=120;/)
    const request = await flow.form(browser, params)
    t.mock.timers.enable({ apis: ['Date'], now: started + 110_000 })
    const send = () => browser.post(flow, '/oauth/consent', { request, action: 'approve' })
    const { cookies, location } = await send()
    assert.match(cookies[0] ?? '', /; Max-Age=120;/)
    t.mock.timers.setTime(started + 125_000)
    isPage(await send(), 400, 'invalid_request')
    const callbackQuery = await signIn(location as URL)
    t.mock.timers.setTime(started + 225_000)
    const callback = await browser.get(flow, `/oauth/callback?${callbackQuery}`)
    assert.equal(callback.status, 302)
    assert.match(callback.cookies[0] ?? '', /~; Max-Age=20;/)
    t.mock.timers.setTime(started + 235_000)
    isPage(await browser.get(flow, `/oauth/callback?${callbackQuery}`), 400, 'invalid_request')
  },
  { serial: true }
)

matrix(
  'POST /oauth/consent rejects expired pages and pages of another secret [N-02]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const browser = openBrowser()
    await flow.form(browser, flow.params(await flow.register()))
    const now = Date.now() / 1000
    const content = {
      id: 'x',
      browser: hash([...browser.jar.values()][0] ?? ''),
      client: 'x',
      redirectUri: loopbackUri,
      scopes: [],
      codeChallenge: 'x',
      resource: flow.resource
    }
    const send = async (sealed: Promise<string>) =>
      await browser.post(flow, '/oauth/consent', { request: await sealed, action: 'approve' })
    assert.equal(
      (await send(sealerOf(flow).seal('request', content, 600, now))).status,
      303,
      'a request sealed in this way is valid'
    )
    isPage(
      await send(sealerOf(flow).seal('request', content, 600, now - 601)),
      400,
      'invalid_request'
    )
    isPage(
      await send(sealerOf(flow).seal('transaction', content, 600, now)),
      400,
      'invalid_request'
    )
    isPage(
      await send(
        createSealer(['another secret that is long enough'], '').seal('request', content, 600, now)
      ),
      400,
      'invalid_request'
    )
  }
)

matrix(
  'POST /oauth/consent relies on the cookie where browsers send no origin [N-08]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const browser = openBrowser()
    const params = flow.params(await flow.register())
    const send = async (cookie: string) =>
      await flow.send('/oauth/consent', {
        method: 'POST',
        headers: { ...form, cookie },
        body: new URLSearchParams({ request: await flow.form(browser, params), action: 'approve' })
          .toString()
      })
    assert.equal((await send('')).status, 403)
    assert.equal((await send(browser.cookie())).status, 303)
  }
)

matrix(
  'POST /oauth/consent accepts any of the pages that one browser opened, one by one or at once [N-10 field:A9]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const browser = openBrowser()
    const params = flow.params(await flow.register())
    const open = () => flow.form(browser, params)
    const atOnce = await Promise.all([open(), open(), open()])
    const jar = [...browser.jar.keys()]
    const later = [await open(), await open()]
    assert.deepEqual([...browser.jar.keys()], jar, 'later pages have the cookie of an earlier one')
    assert.equal(jar.length, 3)
    for (const request of [...later, ...atOnce].reverse()) {
      assert.equal(
        (await browser.post(flow, '/oauth/consent', { request, action: 'approve' })).status,
        303
      )
    }
  }
)

matrix(
  'POST /oauth/consent approves for one client, one request and one browser [CD-02 CD-05 N-15]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const browser = openBrowser()
    const [one, two] = [await flow.register(), await flow.register({ client_name: 'Another' })]
    await flow.approve(browser, flow.params(one))
    for (
      const params of [flow.params(one), flow.params(one, { scope: 'mcp:write' }), flow.params(two)]
    ) {
      const page = await browser.get(
        flow,
        `/oauth/authorize?${new URLSearchParams(params as Record<string, string>)}`
      )
      assert.deepEqual([page.status, page.location], [200, null])
    }
  }
)

matrix(
  'POST /oauth/consent keeps five logins per browser, and their cookies under 6 kB [N-18 N-19]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const id = await flow.register()
    const browser = openBrowser()
    const logins = () => [...browser.jar].filter(([name]) => name.startsWith('__Host-mcp-login.'))
    const queries: string[] = []
    for (let index = 0; index < 5; index++) {
      queries.push(await flow.approve(browser, flow.params(id, { state: `s${index}` })))
    }
    for (const query of [queries[3], queries[0], queries[4], queries[1], queries[2]] as string[]) {
      const callback = await browser.get(flow, `/oauth/callback?${query}`)
      assert.equal(
        callback.location?.searchParams.get('state'),
        `s${queries.indexOf(query)}`,
        'N-18'
      )
    }
    assert.ok(logins().every(([, value]) => value.endsWith('~')), 'complete')

    for (let index = 0; index < 60; index++) {
      await flow.approve(browser, flow.params(id, { state: 'x'.repeat(256) }))
      assert.ok(logins().length <= 5)
      assert.ok(
        logins().reduce((sum, [name, value]) => sum + name.length + value.length, 0) < 6 * 1024,
        'N-19'
      )
    }
    for (const [, value] of logins()) {
      assert.ok(
        value.length <= 1.2 * 1024,
        `a login of a client with a state of 256 characters: ${value.length}`
      )
    }
    const newest = await flow.approve(browser, flow.params(id, { state: 'x'.repeat(2048) }))
    const [name, largest = ''] = logins().at(-1) ?? []
    assert.ok(
      String(name).length + largest.length < 4096,
      'browsers drop cookies of more than 4 KB'
    )
    assert.equal((await browser.get(flow, `/oauth/callback?${newest}`)).status, 302)
  }
)

matrix(
  'a request too large for a cookie is rejected before the consent page',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const uri = `${loopbackUri}?${'x'.repeat(2000)}`
    const id = await flow.register({ redirect_uris: [uri] })
    const reply = await flow.authorize(
      flow.params(id, { redirect_uri: uri, state: 'x'.repeat(2048) })
    )
    assert.equal(reply.status, 302)
    assert.equal(reply.location?.searchParams.get('error'), 'invalid_request')
  }
)

matrix('GET /oauth/authorize escapes the name of the client [N-11]', async ({ startFlow }) => {
  const flow = await startFlow()
  for (
    const name of [
      '"><img src=x onerror=alert(1)>',
      '{{constructor}}',
      '</script><script>alert(1)</script>',
      '&lt;b&gt;',
      "'><svg/onload=1>"
    ]
  ) {
    const page = await flow.authorize(flow.params(await flow.register({ client_name: name })))
    assert.equal(page.status, 200)
    assert.doesNotMatch(page.text, /<img|<script|<svg|onerror=|&lt;b&gt;/, name)
  }
})

matrix(
  'GET /oauth/authorize responds with an error page if the renderer fails [F-28]',
  async ({ startFlow }) => {
    const renderers: Array<() => any> = [
      () => {
        throw new Error('canary-render /etc/passwd')
      },
      () => undefined,
      () => ({}),
      async () => {
        throw new TypeError('x')
      }
    ]
    for (const render of renderers) {
      const flow = await startFlow({ options: { consent: { render } } })
      const page = await flow.authorize(flow.params(await flow.register()))
      isPage(page, 500, 'server_error')
      assert.doesNotMatch(page.text, /canary|passwd/)
    }
  }
)

matrix(
  'GET /oauth/authorize does not reveal the state that the callback needs [S-01 B-06]',
  async ({ startFlow }) => {
    const flow = await startFlow()
    const browser = openBrowser()
    const request = await flow.form(browser, flow.params(await flow.register()))
    const replies = await Promise.all(
      [1, 2].map(async () =>
        await browser.post(flow, '/oauth/consent', {
          request: await flow.form(browser, flow.params(await flow.register())),
          action: 'approve'
        })
      )
    )
    const states = replies.map(({ location }) => location?.searchParams.get('state') as string)
    assert.notEqual(states[0]?.slice(8), states[1]?.slice(8))
    for (const part of request.split('.')) {
      assert.ok(
        !states.some(state => Buffer.from(part, 'base64url').includes(state))
      )
    }
    await signIn(replies[0]?.location as URL)
  }
)

matrix(
  'mcpOAuth rejects options that would disable consent [N-20]',
  async ({ startFlow }) => {
    for (const consent of [false, null, true, 'none']) {
      await assert.rejects(startFlow({ options: { consent: consent as never } }), {
        code: 'FST_MCP_OAUTH_INVALID_OPTIONS',
        message: /^.*\n {2}- consent: .* is given. Give .*: the consent page cannot be switched off/
      })
    }
  }
)
