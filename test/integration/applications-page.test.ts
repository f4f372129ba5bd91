import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { openBrowser as openTab, startFlow } from '../support/flow.ts'
import { addPage } from '../support/applications.ts'
import { lowestContrast, openBrowser } from '../support/chromium.ts'

const axe = createRequire(import.meta.url).resolve('axe-core')

test('Chromium: the page of connected applications can be read and used, also in Arabic', async (t) => {
  const browser = await openBrowser(t)
  if (browser === null) return
  const flow = await startFlow(t, {
    options: { grantIndex: true, consent: { scopes: { 'mcp:read': 'Read your notes' } } },
    routes: addPage
  })
  flow.provider.user = 'alice'
  for (const name of ['Desktop', 'W'.repeat(100)]) {
    await flow.tokens(await flow.register({ client_name: name }), { browser: openTab() })
  }
  for (
    const [colorScheme, width, locale] of [
      ['light', 360, 'en'],
      ['dark', 1280, 'en'],
      ['light', 1280, 'ar']
    ] as const
  ) {
    const context = await browser.newContext({
      colorScheme,
      locale,
      viewport: { width, height: 800 },
      extraHTTPHeaders: { 'x-user': 'alice' },
      bypassCSP: true
    })
    const page = await context.newPage()
    await page.goto(`${flow.origin}/account/applications`)
    await page.locator('summary').first().click()
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width)
    assert.ok(await page.evaluate(lowestContrast) as number >= 4.5)
    await page.addScriptTag({ path: axe })
    const found = await page.evaluate('axe.run()') as { violations: Array<{ id: string }> }
    assert.deepEqual(found.violations.map(({ id }) => id), [])
    if (process.env['SHOTS']) {
      await page.screenshot({
        path: `/tmp/app-${colorScheme}-${width}-${locale}.png`,
        fullPage: true
      })
    }
    await context.close()
  }
  const context = await browser.newContext({ extraHTTPHeaders: { 'x-user': 'alice' } })
  const page = await context.newPage()
  const errors: string[] = []
  page.on('console', message => {
    errors.push(message.text())
  })
  await page.goto(`${flow.origin}/account/applications`)
  assert.equal(await page.locator('form').count(), 2)
  // Keys reach the form, which needs no pointer.
  await page.locator('summary').first().press('Enter')
  await page.locator('button').first().press('Enter')
  await page.getByRole('status').waitFor()
  assert.match(await page.getByRole('status').textContent() ?? '', /WWW.* was removed/)
  assert.equal(await page.locator('form').count(), 1)
  await page.reload()
  assert.equal(await page.locator('form').count(), 1)
  assert.deepEqual(errors.filter(text => /policy/i.test(text)), [])
})
