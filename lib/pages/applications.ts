/** How does a user see which applications have access, and end that? */
import { html } from 'ghtml'
import type { FastifyReply } from 'fastify'
import type { ConsentConfig } from '../options/consent.ts'
import {
  clientName,
  htmlPage,
  meaningsOf,
  scopeItem,
  sendPage,
  type View,
  viewOf
} from './page.ts'
import { fillHtml } from './texts.ts'

/** A grant. Times are in milliseconds since 1970. */
export interface Application {
  client: { readonly name: string | null }
  host: string | null
  scopes: readonly string[]
  since: number
  lastUsed: number
  /** The sealed value that its form sends. */
  form: string
}

/**
 * Sends the page of the applications of a user.
 *
 * @param removed name of the application whose access was just removed; undefined if there is none
 */
export async function replyWithApplications (
  reply: FastifyReply,
  consent: ConsentConfig,
  applications: readonly Application[],
  removed: string | null | undefined
): Promise<FastifyReply> {
  const view = await viewOf(reply, consent)
  const { connected: texts } = view.messages
  const status = removed === undefined
    ? ''
    : html`<p role="status">!${fillHtml(texts.revoked, { client: clientName(view, removed) })}</p>`
  const items = applications.map(application => item(view, application))
  const list = items.length === 0 ? html`<p>${texts.none}</p>` : items.join('')
  return sendPage(reply, view, htmlPage(view, texts.title, status + list))
}

function item (view: View, { client, host, scopes, since, lastUsed, form }: Application) {
  const { language, messages: { connected: texts } } = view
  const meanings = meaningsOf(view)
  const name = clientName(view, client.name)
  const dates = new Intl.DateTimeFormat(language, { dateStyle: 'long' })
  const dated = (text: string, time: number) => {
    const date = new Date(time)
    const shown = html`<time datetime="${date.toISOString()}">${dates.format(date)}</time>`
    return fillHtml(text, { date: shown })
  }
  const lines = [dated(texts.since, since), dated(texts.lastUsed, lastUsed)]
  if (host !== null) {
    lines.unshift(fillHtml(texts.from, { host: html`<bdi><code>${host}</code></bdi>` }))
  }
  const items = scopes.map(scope => scopeItem(scope, meanings.get(scope)))
  const allowed = items.length === 0
    ? ''
    : html`<div><dt>${texts.scopes}</dt><dd><ul class="ticks">!${items}</ul></dd></div>`
  return html`<dl><div><dt>${texts.client}</dt><dd>!${name}
<p class="soft">!${lines.join('<br>')}</p></dd></div>!${allowed}</dl>
<details><summary>${texts.revoke}</summary>
<form method="post"><p>!${fillHtml(texts.revokeConfirm, { client: name })}</p>
<input type="hidden" name="form" value="${form}" autocomplete="off">
<button>${texts.revoke}</button></form></details>`
}
