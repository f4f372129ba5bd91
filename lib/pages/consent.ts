/** How is the user asked whether a client may have access? */
import { randomBytes } from 'node:crypto'
import { html } from 'ghtml'
import type { FastifyReply } from 'fastify'
import { McpOAuthError } from '../errors.ts'
import { withTimeout } from '../http/operations.ts'
import { consentRenderMs } from '../limits.ts'
import type { ConsentConfig } from '../options/broker.ts'
import type { ConsentDetails } from '../types.ts'
import { messages } from './messages.ts'
import { htmlPage, pageHeaders, pageHeadersFor } from './page.ts'

/** The request that the user decides on. */
export interface ConsentPage
  extends Omit<ConsentDetails, 'server' | 'scopes' | 'nonce' | 'fields'> {
  /** The sealed request, which returns with the form. */
  sealed: string
  scopes: readonly string[]
  consent: ConsentConfig
}

/**
 * Sends the consent page: which client asks, where access goes, which scopes. Clients choose their
 * names freely. Users can rely on the hosts of the redirect URI and of a client id that is a URL.
 *
 * @throws {McpOAuthError} `internal` if the operator's renderer throws, takes longer than 5 s, or
 *   does not return a string
 */
export async function replyWithConsentPage (
  reply: FastifyReply,
  { sealed, scopes, consent, ...page }: ConsentPage
): Promise<FastifyReply> {
  const { render, logoText } = consent
  const meanings = new Map(Object.entries({ ...messages.scopes, ...consent.scopes }))
  const nonce = randomBytes(16).toString('base64')
  const details = {
    ...page,
    server: consent.name ?? new URL(page.resource).host,
    scopes: scopes.map(name => ({ name, meaning: meanings.get(name) ?? null })),
    nonce,
    // Without autocomplete: browsers that restore forms would insert the request of another page.
    fields: html`<input type="hidden" name="request" value="${sealed}" autocomplete="off">`
  }
  if (!render) return reply.headers(pageHeaders).send(consentPage(details, logoText))
  const body = await renderCustomPage(render, details)
  return reply.headers(pageHeadersFor(`nonce-${nonce}`)).send(body)
}

async function renderCustomPage (
  render: NonNullable<ConsentConfig['render']>,
  details: ConsentDetails
) {
  try {
    const page: unknown = await withTimeout(
      () => render(details),
      consentRenderMs,
      () => new Error('consent.render took too long')
    )
    if (typeof page !== 'string') throw new TypeError('consent.render did not return a string')
    return page
  } catch (cause) {
    throw new McpOAuthError('internal', { cause })
  }
}

/** Headings contain words of the operator only: a client may be called `Approved by Example`. */
function consentPage (
  { action, fields, server, client, redirectUri, scopes, resource, provider }: ConsentDetails,
  logoText: string | undefined
) {
  const texts = messages.consent
  const isUrl = client.id.startsWith('https://') && URL.canParse(client.id)
  const publisher = isUrl ? new URL(client.id) : null
  const name = client.name === null
    ? html`<strong>${texts.unnamed}</strong>`
    : html`<strong>“<bdi>${client.name}</bdi>”</strong> <span class="mark">${texts.unverified}</span>`
  const target = new URL(redirectUri)
  // The host stays in ASCII, so that no letter imitates another.
  const destination = /^https?:$/.test(target.protocol)
    ? html`${target.host}`
    : texts.appDestination(target.protocol)
  const items = scopes.map(({ name, meaning }) =>
    html`<li>!${meaning && html`<span>${meaning}</span> `}<code>${name}</code></li>`
  )
  const warnings = warningsFor(publisher, target)
  const describedBy = warnings === '' ? '' : 'aria-describedby="warnings"'
  return htmlPage(
    texts.title(server),
    html`<p>${texts.introduction}</p>
<h2>${texts.client}</h2>
<dl>
!${definition(texts.clientName, name)}
!${publisher && address(texts.publisher, html`${publisher.host}`, publisher.href)}
!${address(texts.destination, destination, redirectUri)}
</dl>
!${warnings}
<h2>${texts.scopes}</h2>
<ul>!${scopes.length === 0 ? `<li>${texts.noScopes(server)}</li>` : items}</ul>
<p class="soft">!${texts.resource(resource)}</p>
<p class="soft">!${texts.provider(provider)}</p>
<form method="post" action="${action}">
!${fields}
<button name="action" value="deny">${texts.deny}</button>
<button name="action" value="approve" !${describedBy}>${texts.allow}</button>
</form>`,
    logoText && html`<div class="logo" aria-hidden="true">${logoText}</div>`
  )
}

function definition (term: string, description: string) {
  return html`<div><dt>${term}</dt><dd>!${description}</dd></div>`
}

function address (term: string, short: string, full: string) {
  return definition(term, html`<strong>!${short}</strong> <small>${full}</small>`)
}

function warningsFor (publisher: URL | null, { protocol, host }: URL) {
  const client = publisher?.host ?? messages.consent.anyClient
  const { program, app, punycode } = messages.warnings
  const warnings = []
  // Redirect URIs with http are on loopback.
  if (protocol === 'http:') warnings.push(program(client))
  else if (protocol !== 'https:') warnings.push(app(client, protocol))
  if (/\.xn--/i.test(`.${host}.${publisher?.host}`)) warnings.push(punycode())
  const boxes = warnings.map(text => `<div class="warning">${text}</div>`)
  return boxes.length === 0 ? '' : html`<div id="warnings" role="note">!${boxes}</div>`
}
