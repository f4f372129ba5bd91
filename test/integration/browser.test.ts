import assert from 'node:assert/strict'
import { test } from 'node:test'
import helmet from '@fastify/helmet'
import Fastify from 'fastify'
import type { BrowserContext, Page } from 'playwright-core'
import {
  buttons,
  clickAllow,
  cookieNames,
  startInBrowser,
  type NativeClient
} from '../support/native-client.ts'

async function approve (page: Page, url: string): Promise<void> {
  await page.goto(url)
  await clickAllow(page)
}

/** Signs in and consents at the provider. */
async function signIn (page: Page): Promise<void> {
  await page.click(buttons.provider)
  await page.waitForSelector('text=wants to act for')
  await page.click(buttons.provider)
}

/** Logins that are complete stay for the minute in which the user may reload the page. */
async function hasOnlyCompleteLogins (context: BrowserContext, issuer: string) {
  const cookies = await context.cookies(issuer)
  const logins = cookies.filter(({ name }) => name.startsWith('mcp-login.'))
  assert.ok(logins.length > 0)
  for (const { value, expires } of logins) {
    assert.match(value, /~$/)
    assert.ok(expires <= Date.now() / 1000 + 60)
  }
}

async function callbackIn (
  client: NativeClient,
  page: Page,
  state: string
): Promise<URLSearchParams> {
  await page.waitForSelector('#done')
  const { params, headers } = client.returns.find(({ params }) => params.get('state') === state) ??
    assert.fail(`no redirect for ${state}`)
  assert.equal(headers.referer, undefined, 'N-17 no referrer is sent')
  return params
}

test(
  'Chromium: a user allows, signs in and returns to the client, and need not sign in again [N-17 N-14 A-22 CD-08]',
  async (t) => {
    const setup = await startInBrowser(t)
    if (setup === null) return
    const { context, issuer, client, provider, page } = setup
    await page.goto(client.authorizationUrl({ state: 'first' }))
    assert.deepEqual(await cookieNames(context, issuer), ['mcp-csrf.…'])
    assert.match(await page.innerText('main'), new RegExp(new URL(client.redirectUri).host))
    await clickAllow(page)
    await page.waitForSelector(buttons.provider)
    assert.equal(new URL(page.url()).origin, provider.issuer)
    assert.deepEqual(await cookieNames(context, issuer), ['mcp-csrf.…', 'mcp-login.…'])
    await signIn(page)
    const params = await callbackIn(client, page, 'first')
    assert.deepEqual([...params.keys()], ['code', 'state', 'iss'])
    await hasOnlyCompleteLogins(context, issuer)
    assert.equal((await client.redeem(params)).status, 200)

    await approve(page, client.authorizationUrl({ state: 'second' }))
    assert.equal((await client.redeem(await callbackIn(client, page, 'second'))).status, 200)
  }
)

test('Chromium: deny returns to the client, and leaves no cookie [N-13 N-17]', async (t) => {
  const setup = await startInBrowser(t)
  if (setup === null) return
  const { context, issuer, client, page } = setup
  await page.goto(client.authorizationUrl({ state: 'denied' }))
  await page.click(buttons.deny)
  const params = await callbackIn(client, page, 'denied')
  assert.deepEqual([params.get('error'), params.get('iss'), params.get('code')], [
    'access_denied',
    issuer,
    null
  ])
  assert.deepEqual(await cookieNames(context, issuer), ['mcp-csrf.…'])

  await page.goto(client.authorizationUrl({ state: 'refused there' }))
  await clickAllow(page)
  await page.waitForSelector(buttons.provider)
  await page.click(buttons.deny)
  assert.equal((await callbackIn(client, page, 'refused there')).get('error'), 'access_denied')
  await hasOnlyCompleteLogins(context, issuer)
})

test(
  'Chromium: an app with a private-use scheme is reached from the provider and from our page [N-17]',
  async (t) => {
    const setup = await startInBrowser(t, 'cursor://anysphere.cursor-mcp/oauth/callback')
    if (setup === null) return
    const { client, context } = setup
    const refusals: string[] = []
    // The page, which remains open, cannot read the URL of the app.
    const inNewPage = async (login: (page: Page) => Promise<void>): Promise<URLSearchParams> => {
      const page = await context.newPage()
      page.on('console', message => {
        if (/Content Security Policy/i.test(message.text())) refusals.push(message.text())
      })
      const app = page.waitForEvent(
        'request',
        request => request.url().startsWith('cursor://anysphere.cursor-mcp/oauth/callback?')
      )
      await page.goto(client.authorizationUrl({ state: 'app' }))
      await login(page)
      return new URL((await app).url()).searchParams
    }
    const first = await inNewPage(async (page) => {
      await clickAllow(page)
      await signIn(page)
    })
    const second = await inNewPage(page => clickAllow(page))
    for (const params of [first, second]) assert.equal((await client.redeem(params)).status, 200)
    const denied = await inNewPage(page => page.click(buttons.deny))
    assert.equal(denied.get('error'), 'access_denied')
    assert.deepEqual(refusals, [])
  }
)

test('Chromium: a login in a popup returns to its opener, behind @fastify/helmet', async (t) => {
  const app = Fastify()
  await app.register(helmet)
  const setup = await startInBrowser(t, undefined, { app })
  if (setup === null) return
  const { context, client, page, origin } = setup
  const unserved = await context.request.get(`${origin}/unserved`)
  assert.equal(unserved.headers()['cross-origin-opener-policy'], 'same-origin')
  const logIn = async (login: (popup: Page) => Promise<void>) => {
    await page.goto(new URL('/', client.redirectUri).href)
    const opened = page.waitForEvent('popup')
    await page.evaluate(`addEventListener('message', ({ data }) => { received = data })
      received = null
      popup = open(${JSON.stringify(client.authorizationUrl({ state: 'popup' }))}, '', 'popup')`)
    const popup = await opened
    await login(popup)
    await popup.waitForSelector('#done')
    assert.equal(await page.evaluate('popup.closed'), false, 'the opener still has its popup')
    await popup.evaluate("opener.postMessage(location.search, '*')")
    await page.waitForFunction('received !== null')
    await popup.close()
    return new URLSearchParams(String(await page.evaluate('received')))
  }
  const params = await logIn(async (popup) => {
    await clickAllow(popup)
    await signIn(popup)
  })
  assert.equal((await client.redeem(params)).status, 200)
  const denied = await logIn(popup => popup.click(buttons.deny))
  assert.equal(denied.get('error'), 'access_denied')
})

test('Chromium: form-action blocks the redirects of a form [N-17]', async (t) => {
  const setup = await startInBrowser(t)
  if (setup === null) return
  const { client, page } = setup
  await page.route('**/oauth/authorize?*', async route => {
    const response = await route.fetch()
    await route.fulfill({
      response,
      headers: { ...response.headers(), 'content-security-policy': "form-action 'self'" }
    })
  })
  await page.goto(client.authorizationUrl())
  const refused = page.waitForEvent('console', message => /form-action/.test(message.text()))
  await page.hover('h1')
  await page.click(buttons.allow, { noWaitAfter: true })
  await refused
})

test('Chromium: five logins in one browser, one inside the other [N-18]', async (t) => {
  const setup = await startInBrowser(t)
  if (setup === null) return
  const { context, client } = setup
  const pages = await Promise.all(Array.from({ length: 5 }, () => context.newPage()))
  for (const [index, page] of pages.entries()) {
    await page.goto(client.authorizationUrl({ state: `flow ${index}` }))
  }
  for (const index of [3, 0, 4, 1, 2]) await clickAllow(pages[index] as Page)
  for (const index of [1, 4, 2, 0, 3]) {
    const page = pages[index] as Page
    await page.click(buttons.provider)
    await page.waitForSelector(`#done, ${buttons.provider}`)
    if (await page.$('#done') === null) await page.click(buttons.provider)
    const tokens = await client.redeem(await callbackIn(client, page, `flow ${index}`))
    assert.equal(tokens.status, 200)
  }
})

test('Chromium: sixty logins leave a small cookie, and the last one works [N-19 D11]', async (t) => {
  const setup = await startInBrowser(t)
  if (setup === null) return
  const { issuer, context, client, page } = setup
  const sizes: Array<Promise<number>> = []
  page.on('request', request => {
    if (request.url().startsWith(issuer)) {
      sizes.push(request.allHeaders().then(({ cookie = '' }) => cookie.length))
    }
  })
  for (let index = 1; index < 60; index++) {
    // The requests have the browser's cookies but open no pages, which are slow. Clients may send a
    // long state.
    const consentPage = await context.request.get(
      client.authorizationUrl({ state: String(index).padEnd(index % 3 === 0 ? 1500 : 1, '.') })
    )
    const request = /name="request" value="([^"]+)"/.exec(await consentPage.text())?.[1] ?? ''
    const approved = await context.request.post(`${issuer}/oauth/consent`, {
      form: { request, action: 'approve' },
      maxRedirects: 0
    })
    assert.equal(approved.status(), 303)
  }
  await approve(page, client.authorizationUrl({ state: 'last'.padEnd(1500, '.') }))
  await signIn(page)
  await callbackIn(client, page, 'last'.padEnd(1500, '.'))
  const largest = Math.max(...await Promise.all(sizes))
  assert.ok(largest > 2048 && largest < 6 * 1024, `${largest} bytes`)
})
