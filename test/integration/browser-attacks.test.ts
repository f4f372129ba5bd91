import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { buttons, cookieNames, startInBrowser } from '../support/native-client.ts'

/** The sealed request on a consent page. */
function sealedRequest (page: Page): Promise<string> {
  return page.inputValue('input[name="request"]')
}

/** Sends the form of the page with another request in it. */
async function submit (page: Page, sealed: string): Promise<{ status: number, text: string }> {
  await page.$eval('input[name="request"]', (input, value) => {
    input.setAttribute('value', value)
  }, sealed)
  const consentResponse = page.waitForResponse(response =>
    response.url().endsWith('/oauth/consent')
  )
  await page.click(buttons.allow)
  const status = (await consentResponse).status()
  await page.waitForSelector('main, button')
  return { status, text: await page.innerText('body') }
}

test('Chromium: going back after consent shows a new page, and the old one is invalid [N-16]', async (t) => {
  const setup = await startInBrowser(t)
  if (setup === null) return
  const { page, context, client, issuer } = setup
  await page.goto(client.authorizationUrl({ state: 'back' }))
  const used = await sealedRequest(page)
  await page.click(buttons.allow)
  await page.waitForSelector(buttons.provider)
  await page.goBack()
  await page.waitForSelector(buttons.allow)
  assert.notEqual(await sealedRequest(page), used)
  const { status, text } = await submit(page, used)
  assert.equal(status, 400)
  assert.match(text, /This page was already used/)
  assert.deepEqual(
    await cookieNames(context, issuer),
    ['mcp-csrf', 'mcp-login.…'],
    'no second login'
  )

  await page.goBack()
  await page.click(buttons.allow)
  await page.waitForSelector(buttons.provider)
})

test('Chromium: a double click approves once [N-09]', async (t) => {
  const setup = await startInBrowser(t)
  if (setup === null) return
  const { app, page, context, client, issuer } = setup
  // Counted at the server: a browser that is redirected twice drops its first request, and maybe
  // the response.
  const responses: ServerResponse[] = []
  app.server.on('request', (request, response) => {
    if (request.url === '/oauth/consent') responses.push(response)
  })
  await page.goto(client.authorizationUrl({ state: 'double' }))
  await page.dblclick(buttons.allow)
  await page.waitForSelector(`${buttons.provider}, code`)
  const statuses = responses.map(({ statusCode }) => statusCode)
  assert.equal(statuses.filter(status => status === 303).length, 1, String(statuses))
  assert.ok(statuses.every(status => status === 303 || status === 400), String(statuses))
  assert.ok((await cookieNames(context, issuer)).filter(name => name === 'mcp-login.…').length <= 1)
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
  assert.deepEqual(await cookieNames(victim, issuer), ['mcp-csrf'])

  const fresh = await browser.newContext()
  const foreignPage = await fresh.newPage()
  await foreignPage.route(
    'https://attacker.example/',
    route => route.fulfill({ contentType: 'text/html', body: markup })
  )
  await foreignPage.goto('https://attacker.example/')
  assert.equal((await submit(foreignPage, sealed)).status, 403)
  assert.deepEqual(await cookieNames(fresh, issuer), [])

  await page.click(buttons.allow)
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
  assert.deepEqual(await cookieNames(context, issuer), ['mcp-csrf'])
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
