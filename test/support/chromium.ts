import { existsSync } from 'node:fs'
import type { TestContext } from 'node:test'
import type { Browser } from 'playwright-core'

const executablePath = '/usr/bin/chromium'

/**
 * Only the pages under test may cause traffic, and containers have neither a sandbox nor a display.
 */
const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync'
]

/**
 * Starts Chromium for one test. If it is not installed, the test is skipped and null returned; in
 * continuous integration the test fails.
 */
export async function openBrowser (t: TestContext): Promise<Browser | null> {
  if (!existsSync(executablePath)) {
    if (process.env['CI'] === 'true') {
      throw new Error(`${executablePath} is missing: apt-get install chromium`)
    }
    t.skip(`${executablePath} is missing`)
    return null
  }
  const { chromium } = await import('playwright-core')
  const browser = await chromium.launch({ executablePath, args })
  t.after(() => browser.close())
  return browser
}

/**
 * Evaluated in a page: the lowest contrast between a text and its background (WCAG 2.2 §1.4.3).
 * Colours must be opaque.
 */
export const lowestContrast = `(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number)
  const linear = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
  const luminance = (color) => {
    const [red, green, blue] = channels(color).slice(0, 3).map(c => linear(c / 255))
    return red * 0.2126 + green * 0.7152 + blue * 0.0722
  }
  const background = (element) => {
    const { backgroundColor } = getComputedStyle(element)
    return channels(backgroundColor)[3] === 0 ? background(element.parentElement) : backgroundColor
  }
  const hasText = ({ childNodes }) =>
    [...childNodes].some(({ nodeType, data }) => nodeType === 3 && data.trim())
  const contrast = (element) => {
    const colors = [getComputedStyle(element).color, background(element)]
    const [high, low] = colors.map(luminance).sort((a, b) => b - a)
    return (high + 0.05) / (low + 0.05)
  }
  return Math.min(...[...document.querySelectorAll('main *')].filter(hasText).map(contrast))
})()`
