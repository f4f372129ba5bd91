import { randomBytes } from 'node:crypto'
import { html } from 'ghtml'
import type { FastifyReply } from 'fastify'
import type { ConsentConfig, ConsentDetails } from '../types.ts'
import { withTimeout } from '../http/timeout.ts'
import { McpOAuthError } from '../errors.ts'
import { isLoopbackRedirect } from '../oauth/redirect-uri.ts'
import { htmlPage, pageHeaders, pageHeadersFor } from './page.ts'

/** What the page is made from. */
export interface ConsentPage
  extends Pick<ConsentDetails, 'action' | 'client' | 'redirectUri' | 'resource' | 'provider'> {
  /** The request the user decides on, as it comes back with the form. */
  readonly sealed: string
  readonly scopes: readonly string[]
  readonly consent: ConsentConfig
}

/** Milliseconds the operator's renderer may take. */
const renderTimeout = 5_000

/** Scopes that mean the same everywhere (OpenID Connect Core §5.4 and §11). */
const meanings: Readonly<Record<string, string>> = {
  openid: 'Recognise you when you come back',
  profile: 'See your basic profile, such as your name',
  email: 'See your email address',
  offline_access: 'Stay connected while you are away'
}

/**
 * Asks the user whether a client may have access: who asks, where the answer goes, what is asked
 * for. The client's name is what it calls itself; what the user can go by is the host of the
 * redirect URI, and of the client id where that is a URL.
 *
 * Throws `internal` if the operator's renderer throws, takes longer than 5 s, or returns anything
 * but a string.
 */
export async function answerConsentPage (
  reply: FastifyReply,
  page: ConsentPage
): Promise<FastifyReply> {
  const { render, logoText } = page.consent
  const details = detailsOf(page)
  if (!render) return reply.headers(pageHeaders).send(consentPage(details, logoText))
  const own = await rendered(render, details)
  return reply.headers(pageHeadersFor(`nonce-${details.nonce}`)).send(own)
}

function detailsOf ({ sealed, scopes, consent, ...shown }: ConsentPage): ConsentDetails {
  const known = { ...meanings, ...consent.scopes }
  return {
    ...shown,
    server: consent.name ?? new URL(shown.resource).host,
    scopes: scopes.map(name => ({
      name,
      meaning: Object.hasOwn(known, name) ? known[name] as string : null
    })),
    nonce: randomBytes(16).toString('base64'),
    // Browsers that restore forms would bring back the request of another page.
    fields: html`<input type="hidden" name="request" value="${sealed}" autocomplete="off">`
  }
}

async function rendered (
  render: NonNullable<ConsentConfig['render']>,
  details: ConsentDetails
): Promise<string> {
  try {
    const page: unknown = await withTimeout(() => render(details), {
      milliseconds: renderTimeout,
      error: () => new Error('The renderer of the consent page took too long')
    })
    if (typeof page !== 'string') {
      throw new TypeError('The renderer of the consent page returned no string')
    }
    return page
  } catch (cause) {
    throw new McpOAuthError('internal', { cause })
  }
}

/**
 * Headings are the operator's words alone: a client that is called `Approved by Example` must not
 * speak in them.
 */
function consentPage (
  { action, fields, server, client, redirectUri, scopes, resource, provider }: ConsentDetails,
  logoText: string | undefined
): string {
  const title = `Allow access to ${server}?`
  const warnings = warningsFor(client.id, redirectUri)
  return htmlPage(
    title,
    html`
!${logoText === undefined ? '' : html`<div class="logo" aria-hidden="true">${logoText}</div>`}
<h1 id="title">${title}</h1>
<p>An application asks to use it on your behalf. Only allow this if you started it yourself.</p>
<h2>Who is asking</h2>
<dl>
<div><dt>Application</dt><dd>!${applicationName(client.name)}</dd></div>
!${
      isUrl(client.id)
        ? html`<div><dt>Published at</dt><dd><strong>${new URL(client.id).host}</strong> <small>${
          new URL(client.id).href
        }</small></dd></div>`
        : ''
    }
<div><dt>Access goes to</dt><dd><strong>${
      destination(redirectUri)
    }</strong> <small>${redirectUri}</small></dd></div>
</dl>
!${warnings.length === 0 ? '' : html`<div id="warnings" role="note">!${warnings}</div>`}
<h2>What it may do</h2>
<ul>!${
      scopes.length === 0
        ? html`<li>Use ${server} as you, without further permissions</li>`
        : scopes.map(scopeItem)
    }</ul>
<p class="soft">This is for <code>${resource}</code></p>
<p class="soft">If you allow it, you sign in at <strong>${provider}</strong> next.</p>
<form method="post" action="${action}">
!${fields}
<button name="action" value="deny">Deny</button>
<button name="action" value="approve" !${
      warnings.length === 0 ? '' : 'aria-describedby="warnings"'
    }>Allow</button>
</form>
`
  )
}

function applicationName (name: string | null): string {
  return name === null
    ? '<strong>No name given</strong>'
    : html`<strong>“<bdi>${name}</bdi>”</strong> <span class="mark">Unverified name</span>`
}

function scopeItem ({ name, meaning }: ConsentDetails['scopes'][number]): string {
  return meaning === null
    ? html`<li><code>${name}</code></li>`
    : html`<li><span>${meaning}</span> <code>${name}</code></li>`
}

function warningsFor (clientId: string, redirectUri: string): string[] {
  const { protocol, host } = new URL(redirectUri)
  const publisher = isUrl(clientId) ? new URL(clientId).host : null
  const claimed = publisher ?? 'this application'
  const unless = 'Deny this unless you have just started it yourself, on this device.'
  const warnings = []
  if (isLoopbackRedirect(redirectUri)) {
    warnings.push(
      warning(
        'Access goes to a program on this device.',
        html`Any program here can pretend to be ${claimed}. ${unless}`
      )
    )
  } else if (protocol !== 'https:') {
    warnings.push(
      warning(
        'Access goes to an app on this device.',
        html`Any app here can claim <code>${protocol}</code> links and pretend to be ${claimed}. ${unless}`
      )
    )
  }
  if ([host, publisher ?? ''].some(name => /(?:^|\.)xn--/i.test(name))) {
    warnings.push(
      warning(
        'Look closely at the address.',
        'Its xn-- part stands for special letters, which can imitate a name you know.'
      )
    )
  }
  return warnings
}

function warning (title: string, text: string): string {
  return html`<div class="warning"><strong>${title}</strong> !${text}</div>`
}

/**
 * Where the browser is sent, in short. Hosts stay in ASCII: letters that look alike must not pass
 * for one another.
 */
function destination (redirectUri: string): string {
  const { protocol, host } = new URL(redirectUri)
  return protocol === 'https:' || protocol === 'http:'
    ? host
    : `an app that opens ${protocol} links`
}

function isUrl (clientId: string): boolean {
  return clientId.startsWith('https://') && URL.canParse(clientId)
}
