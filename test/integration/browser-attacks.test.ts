import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { buttons, clickAllow, cookieNames, startInBrowser } from '../support/native-client.ts'

/** The sealed request on a consent page. */
function sealedRequest (page: Page): Promise<string> {
  return page.inputValue('input[name="request"]')
}

/** Sends the form of the page with another request in it, by keyboard. */
async function resend (page: Page, sealed: string): Promise<void> {
  await page.$eval('input[name="request"]', (input, value) => {
    input.setAttribute('value', value)
  }, sealed)
  await page.focus(buttons.allow)
  await page.keyboard.press('Enter')
}

async function submit (page: Page, sealed: string): Promise<{ status: number, text: string }> {
  const consentResponse = page.waitForResponse(response =>
    response.url().endsWith('/oauth/consent')
  )
  await resend(page, sealed)
  const status = (await consentResponse).status()
  await page.waitForSelector('main, button')
  return { status, text: await page.innerText('body') }
}

test('Chromium: after going back, the form and the callback have the result they had [N-16 field:S9]', async (t) => {
  const setup = await startInBrowser(t)
  if (setup === null) return
  const { page, context, client, issuer } = setup
  await page.goto(client.authorizationUrl({ state: 'back' }))
  const sealed = await sealedRequest(page)
  await clickAllow(page)
  await page.waitForSelector(buttons.provider)
  const logins = () =>
    context.cookies(issuer).then(all => all.filter(({ name }) => name.startsWith('mcp-login.')))
  const [first] = await logins()
  await page.goBack()
  await page.waitForSelector(buttons.allow)
  assert.notEqual(await sealedRequest(page), sealed, 'a new page')
  await resend(page, sealed)
  await page.waitForSelector(buttons.provider)
  const [again, ...others] = await logins()
  assert.deepEqual([again?.name, others], [first?.name, []], 'one login')

  const callbacks: string[] = []
  page.on('request', request => {
    if (request.url().includes('/oauth/callback')) callbacks.push(request.url())
  })
  await page.click(buttons.provider)
  await page.waitForSelector('text=wants to act for')
  await page.click(buttons.provider)
  await page.waitForSelector('#done')
  await page.goto(callbacks[0] ?? '')
  await page.waitForSelector('#done')
  const codes = client.returns.map(({ params }) => params.get('code'))
  assert.equal(codes.length, 2)
  assert.equal(codes[0], codes[1])
  assert.equal((await client.redeem(client.returns[0]?.params as URLSearchParams)).status, 200)

  await page.goto(callbacks[0] ?? '')
  assert.match(await page.innerText('main'), /Sign-in is complete.*already completed/s)
  assert.equal(client.returns.length, 2)
})

test('Chromium: a double click approves once, and always leads to the provider [N-09 field:S9]', async (t) => {
  const setup = await startInBrowser(t)
  if (setup === null) return
  const { app, page, context, client, issuer } = setup
  // Counted at the server: a browser that is redirected twice drops its first request, and maybe
  // the response.
  const responses: ServerResponse[] = []
  app.server.on('request', (request, response) => {
    if (request.url === '/oauth/consent') responses.push(response)
  })
  for (let index = 0; index < 5; index++) {
    await context.clearCookies()
    await page.goto(client.authorizationUrl({ state: 'double' }))
    await page.hover('h1')
    await page.dblclick(buttons.allow)
    await page.waitForSelector(buttons.provider)
    assert.deepEqual(await cookieNames(context, issuer), ['mcp-csrf.…', 'mcp-login.…'])
  }
  assert.ok(responses.every(({ statusCode }) => statusCode === 303))
})

test('Chromium: pages that open at once can all be sent [N-10 field:A9]', async (t) => {
  const setup = await startInBrowser(t)
  if (setup === null) return
  const { context, client } = setup
  const pages = await Promise.all(Array.from({ length: 3 }, () => context.newPage()))
  await Promise.all(
    pages.map((page, index) => page.goto(client.authorizationUrl({ state: String(index) })))
  )
  for (const page of pages) {
    await clickAllow(page)
    await page.waitForSelector(buttons.provider)
  }
})

test('Chromium: clicks that another window prepared approve nothing [A-24 field:A3]', async (t) => {
  const setup = await startInBrowser(t)
  if (setup === null) return
  const { page, context, client } = setup
  let sent = 0
  context.on('request', request => {
    if (request.url().endsWith('/oauth/consent')) sent++
  })
  const isCovered = 'getComputedStyle(document.forms[0], "::after").visibility === "visible"'
  await page.goto(client.authorizationUrl({ state: 'prepared' }))
  await page.locator(buttons.allow).scrollIntoViewIfNeeded()
  const { x = 0, y = 0 } = await page.locator(buttons.allow).boundingBox() ?? {}
  const mouse = await context.newCDPSession(page)
  // The pointer appears on the button, as if the window above had just closed.
  const click = async (clickCount: number) => {
    for (const type of ['mousePressed', 'mouseReleased'] as const) {
      await mouse.send('Input.dispatchMouseEvent', {
        type,
        x: x + 5,
        y: y + 5,
        button: 'left',
        clickCount
      })
    }
  }
  await page.waitForTimeout(1_500)
  assert.equal(await page.evaluate(isCovered), true, 'however long the page is open')
  const until = Date.now() + 3_000
  for (let count = 1; Date.now() < until; count++) await click(count)
  assert.equal(sent, 0, 'the pointer does not rest')

  const rest = async () => {
    while (await page.evaluate(isCovered)) await setImmediate()
  }
  await rest()
  await page.mouse.move(-50, -50)
  await click(1)
  assert.equal(sent, 0, 'the pointer was away')

  await rest()
  await click(1)
  await page.waitForSelector(buttons.provider)
  assert.equal(sent, 1)
})

test('Chromium: the keyboard allows at once, and the pointer denies at once [A-24 field:A3]', async (t) => {
  const setup = await startInBrowser(t)
  if (setup === null) return
  const { page, client } = setup
  await page.goto(client.authorizationUrl({ state: 'keyboard' }))
  await page.focus(buttons.allow)
  await page.keyboard.press('Enter')
  await page.waitForSelector(buttons.provider)
  await page.goto(client.authorizationUrl({ state: 'denied' }))
  await page.click(buttons.deny)
  await page.waitForSelector('#done')
})

test('Chromium: a page of one browser is rejected in another [N-05 N-02]', async (t) => {
  const setup = await startInBrowser(t)
  if (setup === null) return
  const { browser, page, client, issuer } = setup
  await page.goto(client.authorizationUrl({ state: 'mine' }))
  const sealed = await sealedRequest(page)
  const markup = await page.content()

  const victim = await browser.newContext()
  const victimPage = await victim.newPage()
  await victimPage.goto(client.authorizationUrl({ state: 'theirs' }))
  const { status, text } = await submit(victimPage, sealed)
  assert.equal(status, 403)
  assert.match(text, /not opened in this browser/)
  assert.deepEqual(await cookieNames(victim, issuer), ['mcp-csrf.…'])

  const fresh = await browser.newContext()
  const foreignPage = await fresh.newPage()
  await foreignPage.route(
    'https://attacker.example/',
    route => route.fulfill({ contentType: 'text/html', body: markup })
  )
  await foreignPage.goto('https://attacker.example/')
  assert.equal((await submit(foreignPage, sealed)).status, 403)
  assert.deepEqual(await cookieNames(fresh, issuer), [])

  await clickAllow(page)
  await page.waitForSelector(buttons.provider)
})

test('Chromium: another site cannot send the form, not even one of this browser [N-08]', async (t) => {
  const setup = await startInBrowser(t)
  if (setup === null) return
  const { page, context, client, issuer } = setup
  await page.goto(client.authorizationUrl({ state: 'mine' }))
  const markup = await page.content()
  const sealed = await sealedRequest(page)
  const other = await context.newPage()
  // Another port of the same host: same-site for cookies, but cross-origin.
  await other.route(
    'http://localhost:1/',
    route => route.fulfill({ contentType: 'text/html', body: markup })
  )
  await other.goto('http://localhost:1/')
  assert.equal((await submit(other, sealed)).status, 403)
  assert.deepEqual(await cookieNames(context, issuer), ['mcp-csrf.…'])
})

test('Chromium: our pages cannot be framed [A-24 N-12]', async (t) => {
  const setup = await startInBrowser(t)
  if (setup === null) return
  const { page, client, issuer, origin } = setup
  const framed = [
    client.authorizationUrl(),
    `${issuer}/oauth/authorize?client_id=unknown`,
    `${issuer}/oauth/callback?state=unknown&code=1`
  ]
  const frameable = `${origin}/.well-known/oauth-protected-resource/mcp`
  const frames = [...framed, frameable].map((url) =>
    `<iframe src="${url.replaceAll('&', '&amp;')}"></iframe>`
  ).join('')
  // Another origin on this machine: browsers block requests of public pages to loopback anyway.
  await page.goto(new URL('/', client.redirectUri).href)
  await page.setContent(`<!doctype html>${frames}`, { waitUntil: 'load' })
  while (
    page.frames().some(frame => ['', 'about:blank'].includes(frame.url()))
  ) { await setImmediate() }
  assert.deepEqual(page.frames().slice(1).map(frame => frame.url()), [
    ...framed.map(() => 'chrome-error://chromewebdata/'),
    frameable
  ])
})
