/** How is the user asked whether a client may have access? */
import { randomBytes } from 'node:crypto'
import { html } from 'ghtml'
import type { FastifyReply } from 'fastify'
import { McpOAuthError } from '../errors.ts'
import { maxShownScopes, maxShownTools } from '../limits.ts'
import type { ConsentConfig } from '../options/consent.ts'
import type { ConsentDetails, ListedTool } from '../options/page-details.ts'
import {
  clientName,
  htmlPage,
  meaningsOf,
  renderPage,
  scopeItem,
  sendPage,
  type View,
  viewOf
} from './page.ts'
import { fill, fillHtml } from './texts.ts'

type Generated = 'server' | 'scopes' | 'nonce' | 'fields' | 'tools' | 'language' | 'direction'

/** The request that the user decides on. */
export interface ConsentPage extends Omit<ConsentDetails, Generated> {
  /** The sealed request, which returns with the form. */
  sealed: string
  scopes: readonly string[]
  /** The tools that the client could call with these scopes. */
  tools: readonly ListedTool[]
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
  { sealed, scopes, tools, consent, ...page }: ConsentPage
): Promise<FastifyReply> {
  const { render } = consent
  const view = await viewOf(reply, consent)
  const { language, direction } = view
  const meanings = meaningsOf(view)
  const nonce = randomBytes(16).toString('base64')
  const details = {
    ...page,
    server: consent.name ?? new URL(page.resource).host,
    scopes: inOrder(scopes, tools).map(name => ({ name, meaning: meanings.get(name) ?? null })),
    tools: tools.map(({ title, effect }) => ({ title, effect })),
    language,
    direction,
    nonce,
    // Without autocomplete: browsers that restore forms would insert the request of another page.
    fields: html`<input type="hidden" name="request" value="${sealed}" autocomplete="off">`
  }
  if (!render) return sendPage(reply, view, consentPage(view, details))
  const body = await renderPage('consent.render', render, details).catch((cause: unknown) => {
    throw new McpOAuthError('internal', { cause })
  })
  return sendPage(reply, view, body, nonce)
}

/**
 * Orders scopes by the most that their tools can do, then by their first word: the client, which
 * orders its request, must not decide which ones are folded.
 */
function inOrder (scopes: readonly string[], tools: readonly ListedTool[]) {
  const effects = ['deletes', 'changes', 'reads', undefined]
  const words = scopes.map(firstWord)
  const rank = (scope: string) =>
    Math.min(...[
      effects.length,
      ...tools.filter(tool => tool.scopes.includes(scope)).map(tool => effects.indexOf(tool.effect))
    ])
  return scopes.toSorted((a, b) =>
    rank(a) - rank(b) || words.indexOf(firstWord(a)) - words.indexOf(firstWord(b))
  )
}

const firstWord = (scope: string) => scope.split(/[:./]/, 1)[0] ?? ''

/** Headings contain words of the operator only: a client may be called `Approved by Example`. */
function consentPage (view: View, details: ConsentDetails) {
  const { action, fields, server, client, redirectUri, resource, provider } = details
  const { consent: texts } = view.messages
  const isUrl = client.id.startsWith('https://') && URL.canParse(client.id)
  const publisher = isUrl ? new URL(client.id) : null
  const mark = client.name === null ? '' : html` <span class="mark">${texts.unverified}</span>`
  const name = clientName(view, client.name) + mark
  const target = new URL(redirectUri)
  // The host stays in ASCII, so that no letter imitates another.
  const destination = /^https?:$/.test(target.protocol)
    ? html`<bdi>${target.host}</bdi>`
    : fillHtml(texts.appDestination, { protocol: html`<bdi>${target.protocol}</bdi>` })
  const warnings = warningsFor(view, publisher, target)
  const describedBy = warnings === '' ? '' : 'aria-describedby="warnings"'
  const bold = (text: string) => html`<bdi><strong>${text}</strong></bdi>`
  return htmlPage(
    view,
    fill(texts.title, { server }),
    html`<p>!${fillHtml(texts.introduction, { server: html`<bdi>${server}</bdi>` })}</p>
<h2>${texts.client}</h2>
<dl>
!${definition(texts.clientName, name)}
!${publisher && address(texts.publisher, html`<bdi>${publisher.host}</bdi>`, publisher.href)}
!${address(texts.destination, destination, redirectUri)}
</dl>
!${warnings}
<h2>${texts.scopes}</h2>
!${scopeList(view, details)}
!${toolList(view, details)}
<p class="soft">!${fillHtml(texts.resource, { resource: html`<code>${resource}</code>` })}</p>
<p class="soft">!${fillHtml(texts.provider, { provider: bold(provider) })}</p>
<form method="post" action="${action}">
!${fields}
<button name="action" value="deny">${texts.deny}</button>
<button name="action" value="approve" !${describedBy}>${texts.allow}</button>
</form>`
  )
}

function definition (term: string, description: string) {
  return html`<div><dt>${term}</dt><dd>!${description}</dd></div>`
}

/** An address that may be long scrolls, and keys can reach it. */
function address (term: string, short: string, full: string) {
  const focus = full.length > 100 ? html`tabindex="0" role="group" aria-label="${term}"` : ''
  return definition(term, html`<strong>!${short}</strong> <small !${focus}>${full}</small>`)
}

function scopeList ({ messages: { consent: texts } }: View, { scopes, server }: ConsentDetails) {
  if (scopes.length === 0) {
    const everything = fillHtml(texts.everything, { server: html`<bdi>${server}</bdi>` })
    return html`<ul class="ticks"><li>!${everything}</li></ul>`
  }
  const items = scopes.map(({ name, meaning }) => scopeItem(name, meaning))
  const rest = items.slice(maxShownScopes)
  return html`<ul class="ticks">!${items.slice(0, maxShownScopes)}</ul>
!${
    rest.length > 0
      ? folded(texts.moreScopes, rest.length, html`<ul class="ticks">!${rest}</ul>`)
      : ''
  }`
}

function toolList ({ messages: { consent: texts } }: View, { tools }: ConsentDetails) {
  if (tools.length === 0) return ''
  const items = tools.slice(0, maxShownTools).map(({ title, effect }) =>
    html`<li><bdi>${title}</bdi> <span class="soft">${texts[effect]}</span></li>`
  )
  const hidden = tools.length - items.length
  const more = hidden > 0 ? html`<li>${fill(texts.moreTools, { count: String(hidden) })}</li>` : ''
  return folded(texts.tools, tools.length, html`<ul>!${items}!${more}</ul>`)
}

function folded (summary: string, count: number, content: string) {
  return html`<details><summary>${fill(summary, { count: String(count) })}</summary>
!${content}
</details>`
}

function warningsFor ({ messages }: View, publisher: URL | null, { protocol, host }: URL) {
  const { unless, ...texts } = messages.warnings
  const client = publisher
    ? html`<bdi>${publisher.host}</bdi>`
    : html`${messages.consent.anyClient}`
  const warning = (title: string, text: string, more = '') =>
    html`<div class="warning"><strong>${title}</strong>
!${fillHtml(text, { client, protocol: html`<code>${protocol}</code>` })}
<div>${more}</div></div>`
  const boxes = []
  // Redirect URIs with http are on loopback.
  if (protocol === 'http:') boxes.push(warning(texts.programTitle, texts.program, unless))
  else if (protocol !== 'https:') boxes.push(warning(texts.appTitle, texts.app, unless))
  if (/\.xn--/i.test(`.${host}.${publisher?.host}`)) {
    boxes.push(warning(texts.punycodeTitle, texts.punycode))
  }
  return boxes.length === 0 ? '' : html`<div id="warnings" role="note">!${boxes}</div>`
}
