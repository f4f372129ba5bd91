import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { AppSetup } from './app.ts'
import { startBroker, type RunningBroker } from './broker.ts'
import { openBrowser } from './chromium.ts'

/** The authorization response that the client received, and the origin headers of the browser. */
export interface ClientCallback {
  params: URLSearchParams
  headers: IncomingHttpHeaders
}

/** An MCP client on the user's machine, which opens the browser. */
export interface NativeClient {
  redirectUri: string
  returns: ClientCallback[]
  /** A new authorization request. */
  authorizationUrl(more?: Record<string, string>): string
  /** Redeems the code of a response. */
  redeem(params: URLSearchParams): Promise<Response>
}

const page = '<!doctype html><title>Done</title><p id="done">You can close this window.'

/**
 * Registers at an authorization server, and listens for redirects of browsers. A redirect URI of
 * another scheme can be given, without a listener.
 */
export async function startNativeClient (
  t: TestContext,
  issuer: string,
  redirectUri?: string
): Promise<NativeClient> {
  const returns: ClientCallback[] = []
  const server = createServer(({ url = '', headers }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://client')
    if (pathname === '/cb') returns.push({ params: searchParams, headers })
    response.writeHead(pathname === '/cb' ? 200 : 404, { 'content-type': 'text/html' }).end(page)
  })
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.after(() =>
    new Promise(resolve => {
      server.close(resolve)
      server.closeAllConnections()
    })
  )
  const uri = redirectUri ?? `http://127.0.0.1:${(server.address() as AddressInfo).port}/cb`
  const post = (path: string, type: string, body: string) =>
    fetch(issuer + path, { method: 'POST', headers: { 'content-type': type }, body })
  const registered = await post(
    '/oauth/register',
    'application/json',
    JSON.stringify({ redirect_uris: [uri], client_name: 'Night Owl' })
  )
  const { client_id: clientId } = await registered.json() as { client_id: string }
  assert.equal(registered.status, 201)
  const verifier = randomBytes(32).toString('base64url')
  const challenge = createHash('sha256').update(verifier).digest('base64url')

  return {
    redirectUri: uri,
    returns,
    authorizationUrl: (more = {}) =>
      `${issuer}/oauth/authorize?${new URLSearchParams({
        response_type: 'code',
        client_id: clientId,
        redirect_uri: uri,
        code_challenge: challenge,
        code_challenge_method: 'S256',
        ...more
      })}`,
    redeem: params =>
      post(
        '/oauth/token',
        'application/x-www-form-urlencoded',
        new URLSearchParams({
          grant_type: 'authorization_code',
          client_id: clientId,
          redirect_uri: uri,
          code: params.get('code') ?? '',
          code_verifier: verifier
        }).toString()
      )
  }
}

export interface BrowserSetup extends RunningBroker {
  browser: Browser
  context: BrowserContext
  page: Page
  client: NativeClient
}

/**
 * A real browser, the broker, a real provider and our own client. Null if no browser is installed.
 */
export async function startInBrowser (
  t: TestContext,
  redirectUri?: string,
  setup: Pick<AppSetup, 'app'> = {}
): Promise<BrowserSetup | null> {
  const browser = await openBrowser(t)
  if (browser === null) return null
  const options = { allowedRedirectUris: ['http:', 'cursor:'] }
  const broker = await startBroker(t, { ...setup, options })
  const client = await startNativeClient(t, broker.issuer, redirectUri)
  const context = await browser.newContext()
  return { ...broker, browser, client, context, page: await context.newPage() }
}

/** The buttons of the consent page and of the provider's page. */
export const buttons = {
  deny: 'button[value="deny"]',
  allow: 'button[value="approve"]',
  provider: 'button[value="allow"]'
}

/** Clicks Allow, which takes clicks once the pointer has been on the page for a second. */
export async function clickAllow (page: Page): Promise<void> {
  await page.hover('h1')
  await page.click(buttons.allow)
}

/** Names of the cookies that the broker sets, without their states. */
export async function cookieNames (context: BrowserContext, issuer: string): Promise<string[]> {
  return (await context.cookies(issuer)).map(({ name }) => name.replace(/\.[\w-]+$/, '.…'))
    .sort()
}
