/** How does a browser receive a page? */
import { createHash } from 'node:crypto'
import { html } from 'ghtml'
import type { FastifyReply } from 'fastify'
import { withTimeout } from '../http/operations.ts'
import { openerPolicy } from '../host/replies.ts'
import { pageRenderMs } from '../limits.ts'
import type { ConsentConfig } from '../options/consent.ts'
import { style } from './style.ts'
import { fillHtml, type Texts, textsFor } from './texts.ts'

/** The look and the texts of one page. */
export interface View extends Texts {
  consent: ConsentConfig
}

/** Returns the look of a page, and its texts in the language of the reader. */
export async function viewOf (
  { request }: FastifyReply,
  consent: ConsentConfig
): Promise<View> {
  const texts = await textsFor(request.headers['accept-language'], consent)
  return { ...texts, consent }
}

/** Descriptions of scopes: those of the operator for a language come before those for all. */
export function meaningsOf ({ consent, language, messages }: View) {
  const { messages: own = {}, scopes } = consent
  const [base = ''] = language.split('-')
  const all = { ...messages.scopes, ...scopes, ...own[base]?.scopes, ...own[language]?.scopes }
  return new Map(Object.entries(all))
}

/** The name that a client gave itself: unverified, so it stands in no heading. */
export function clientName ({ messages: { consent } }: View, name: string | null) {
  return name === null
    ? html`<strong>${consent.unnamed}</strong>`
    : html`<strong>!${fillHtml(consent.quotedName, { name: html`<bdi>${name}</bdi>` })}</strong>`
}

/** A scope, with its description if there is one. */
export function scopeItem (name: string, meaning: string | null | undefined) {
  return html`<li>!${meaning && html`<span>${meaning}</span> `}<code>${name}</code></li>`
}

const looks = new WeakMap<ConsentConfig, ReturnType<typeof createLook>>()

function lookOf (consent: ConsentConfig) {
  const look = looks.get(consent) ?? createLook(consent)
  looks.set(consent, look)
  return look
}

function createLook ({ accentColor, logo, logoText, name = '' }: ConsentConfig) {
  const css = accentColor
    ? `${style}:root { --accent: ${accentColor.light} }
@media (prefers-color-scheme: dark) { :root { --accent: ${accentColor.dark} } }
`
    : style
  const image = logo && html`<img class="logo-image" src="${logo.src}" alt="${logo.alt ?? name}">`
  const letters = logoText && html`<div class="logo" aria-hidden="true">${logoText}</div>`
  return {
    css,
    // For the Content-Security-Policy, as `images`.
    source: `sha256-${createHash('sha256').update(css).digest('base64')}`,
    images: logo ? `img-src ${logo.src.startsWith('data:') ? 'data:' : "'self'"}; ` : '',
    logo: image ?? letters ?? ''
  }
}

/**
 * Headers of a page without scripts, frames and external content, for the JSON of its errors, too.
 * There is no `form-action`: browsers apply it to all redirects that follow a form.
 *
 * @param nonce of the styles of a page that the operator rendered
 */
export function guardHeaders (consent: ConsentConfig, nonce?: string) {
  const { source, images } = lookOf(consent)
  const styles = nonce === undefined ? source : `nonce-${nonce}`
  return {
    ...openerPolicy,
    'content-security-policy':
      `default-src 'none'; style-src '${styles}'; ${images}base-uri 'none'; frame-ancestors 'none'`,
    'x-frame-options': 'DENY'
  }
}

/**
 * Sends a page.
 *
 * @param nonce of the styles of a page that the operator rendered, whose language is unknown
 */
export function sendPage (
  reply: FastifyReply,
  { consent, language }: View,
  page: string,
  nonce?: string
): FastifyReply {
  return reply.headers({
    ...guardHeaders(consent, nonce),
    'content-type': 'text/html; charset=utf-8',
    ...nonce === undefined && { 'content-language': language },
    vary: [reply.getHeader('vary') ?? [], 'Accept-Language'].flat().join(', ')
  }).send(page)
}

/**
 * A complete page. Its referrer policy lets browsers send our own forms with an origin; without a
 * referrer they would send `Origin: null`.
 *
 * @param title plain text
 * @param main HTML, below the title
 */
export function htmlPage (
  { consent, language, direction }: View,
  title: string,
  main: string
) {
  const { css, logo } = lookOf(consent)
  return html`<!doctype html>
<html lang="${language}" dir="${direction}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="same-origin"><title>${title}</title><style>!${css}</style></head>
<body><main aria-labelledby="title">
!${logo}
<h1 id="title">${title}</h1>
!${main}
</main></body>
</html>
`
}

/**
 * Renders a page with a function of the operator.
 *
 * @param option names the function
 * @throws {Error} if it throws, takes longer than 5 s, or does not return a string
 */
export async function renderPage<Details> (
  option: string,
  render: (details: Details) => string | Promise<string>,
  details: Details
): Promise<string> {
  const page: unknown = await withTimeout(
    () => render(details),
    pageRenderMs,
    () => new Error(`${option} took too long`)
  )
  if (typeof page !== 'string') throw new TypeError(`${option} did not return a string`)
  return page
}
