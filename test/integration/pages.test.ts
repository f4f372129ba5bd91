import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import type { ConsentPage } from '../../lib/pages/consent.ts'
import { openBrowser } from '../support/chromium.ts'
import { basePage, onLoopback, serve } from '../support/consent-page.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

const logo = 'data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22/%3E'
  .replaceAll(' ', '%20')
const tools = Array.from({ length: 12 }, (_, index) => ({
  title: `Tool ${index}`,
  effect: (['reads', 'changes', 'deletes'] as const)[index % 3] ?? 'reads',
  scopes: []
}))
const long: ConsentPage = {
  ...onLoopback,
  client: { id: `https://${'long.'.repeat(20)}example/c`, name: 'W'.repeat(100) },
  redirectUri: `${onLoopback.redirectUri}/${'path/'.repeat(100)}`,
  scopes: Array.from({ length: 15 }, (_, index) => `scope:${index}`),
  tools,
  consent: {
    name: 'Tasks',
    logo: { src: logo },
    accentColor: { light: '#0b7a5f', dark: '#5fd4b3' }
  }
}
const states: Record<string, [page: ConsentPage, path: string]> = {
  'the consent page': [basePage, '/'],
  'the consent page with everything': [long, '/'],
  'the consent page without scopes': [
    { ...basePage, redirectUri: 'cursor://app/cb', scopes: [], tools, consent: { logoText: 'T' } },
    '/'
  ],
  'an error page': [basePage, '/error?step=consent&page=expiredPage'],
  'an error page with a link': [long, '/error?kind=invalidScope&back=https://owl.example/cb']
}

async function open (browser: Browser, locale: string) {
  // The policy of the pages allows no scripts, not even those of a test.
  const context = await browser.newContext({ locale, bypassCSP: true })
  return await context.newPage()
}

/** What axe finds in a page. */
async function findings (page: Page) {
  const { violations } = await page.evaluate('axe.run()') as {
    violations: Array<{ id: string, nodes: Array<{ html: string }> }>
  }
  return violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)])
}

for (const [name, [content, path]] of Object.entries(states)) {
  test(`Chromium: axe finds nothing in ${name}, in eight languages and three widths`, async (t) => {
    const browser = await openBrowser(t)
    if (browser === null) return
    const origin = await serve(t, content).listen({ port: 0, host: '127.0.0.1' })
    for (const locale of ['en', 'de', 'fr', 'es', 'pt-BR', 'ja', 'zh-CN', 'ar']) {
      const page = await open(browser, locale)
      await page.goto(origin + path)
      assert.equal(await page.getAttribute('html', 'lang'), locale.slice(0, 2))
      await page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
      await page.evaluate(axe)
      for (const width of [360, 768, 1280]) {
        await page.setViewportSize({ width, height: 740 })
        assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width, locale)
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme })
          assert.deepEqual(await findings(page), [], `${locale} ${colorScheme} ${width}`)
        }
      }
      await page.context().close()
    }
  })
}

test('Chromium: Deny and Allow are in view on a phone, however long the page is', async (t) => {
  const browser = await openBrowser(t)
  if (browser === null) return
  const origin = await serve(t, long).listen({ port: 0, host: '127.0.0.1' })
  for (const locale of ['en', 'de', 'ja', 'ar']) {
    const page = await open(browser, locale)
    await page.setViewportSize({ width: 360, height: 740 })
    await page.goto(origin)
    assert.ok(Number(await page.evaluate('document.documentElement.scrollHeight')) > 1000)
    for (const end of [0, 10_000]) {
      await page.evaluate(`scrollTo(0, ${end})`)
      for (const value of ['deny', 'approve']) {
        const box = await page.locator(`button[value=${value}]`).boundingBox()
        assert.ok(box && box.y > 0 && box.y + box.height <= 740, `${locale} ${value} ${end}`)
      }
    }
    await page.context().close()
  }
})

test('Chromium: the keyboard reaches and scrolls a long redirect URI, and unfolds scopes', async (t) => {
  const browser = await openBrowser(t)
  if (browser === null) return
  const origin = await serve(t, long).listen({ port: 0, host: '127.0.0.1' })
  const page = await open(browser, 'en')
  await page.setViewportSize({ width: 360, height: 740 })
  await page.goto(origin)
  const focused = () => page.evaluate('document.activeElement.localName')
  const order = []
  for (let count = 0; count < 6; count++) {
    await page.keyboard.press('Tab')
    order.push(await focused())
    if (count === 1) {
      await page.keyboard.press('End')
      await page.waitForFunction('document.activeElement.scrollTop > 0')
    }
    if (count === 2) {
      await page.keyboard.press('Enter')
      assert.equal(await page.locator('details').first().getAttribute('open'), '')
    }
  }
  assert.deepEqual(order, ['small', 'small', 'summary', 'summary', 'button', 'button'])
})
