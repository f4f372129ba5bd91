import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lowestContrast, openBrowser } from '../support/chromium.ts'
import { onLoopback, serve } from '../support/consent-page.ts'

test('consent page: is readable on a phone with long names, in light and dark [CD-03]', async (t) => {
  const browser = await openBrowser(t)
  if (browser === null) return
  const long = 'W'.repeat(100)
  const app = serve(t, {
    ...onLoopback,
    client: { id: `https://${'long.'.repeat(20)}example/c`, name: long },
    redirectUri: `${onLoopback.redirectUri}/${long.repeat(15)}`,
    scopes: [long, 'openid'],
    consent: { name: long, logoText: 'WWWWWWWW' }
  })
  const url = await app.listen({ port: 0 })
  for (const colorScheme of ['light', 'dark'] as const) {
    const page = await browser.newPage({ colorScheme, viewport: { width: 320, height: 640 } })
    const errors: string[] = []
    page.on('console', message => {
      errors.push(message.text())
    })
    await page.goto(url)
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320, 'WCAG 1.4.10')
    const contrast = await page.evaluate(lowestContrast) as number
    assert.ok(contrast >= 4.5, `${colorScheme}: ${contrast}`)
    assert.deepEqual(
      errors.filter(text => /policy/i.test(text)),
      [],
      'the style matches the content security policy'
    )
  }
})

test('consent page: the form can be sent by keyboard, and has our origin [CD-04 N-17]', async (t) => {
  const browser = await openBrowser(t)
  if (browser === null) return
  const url = await serve(t, onLoopback).listen({ port: 0, host: '127.0.0.1' })
  const page = await browser.newPage()
  await page.goto(url)
  assert.match(
    await page.locator('main').ariaSnapshot(),
    /^- main "Allow access to Tasks\?":\n {2}- heading "Allow access to Tasks\?" \[level=1\]/
  )
  const focused: unknown[] = []
  while (focused.length < 2) {
    await page.keyboard.press('Tab')
    focused.push(
      await page.evaluate(
        '[document.activeElement.value, getComputedStyle(document.activeElement).outlineWidth]'
      )
    )
  }
  assert.deepEqual(focused, [['deny', '3px'], ['approve', '3px']])
  await Promise.all([page.waitForURL('**/oauth/consent'), page.keyboard.press('Enter')])
  const sent = JSON.parse(await page.textContent('body') ?? '')
  assert.deepEqual([sent.body, sent.origin, sent.site], [
    'request=sealed-request&action=approve',
    url,
    'same-origin'
  ])
})
