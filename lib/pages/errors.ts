/** How does a browser receive an error that its user has to read? */
import { randomBytes } from 'node:crypto'
import { html } from 'ghtml'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { McpOAuthError } from '../errors.ts'
import { classify, prepareErrorReply, safeLogger, sendJson } from '../host/replies.ts'
import { maxReferenceChars } from '../limits.ts'
import type { ConsentConfig } from '../options/consent.ts'
import type { ErrorPageDetails } from '../options/page-details.ts'
import type { ErrorPageName, Messages } from './messages/en.ts'
import { guardHeaders, htmlPage, renderPage, sendPage, type View, viewOf } from './page.ts'
import { fill, fillHtml } from './texts.ts'

/** The steps of a login that a page can interrupt. */
type Step = 'authorize' | 'consent' | 'callback'

/**
 * Shows an error to a browser that must not be redirected (RFC 6749 §4.1.2.1), or sends OAuth JSON
 * to a client that prefers it.
 *
 * @param more.status defaults to that of the error
 * @param more.back a validated redirect URI. The page links to it, where a redirect would make us
 *   an open redirector (RFC 9700 §4.11.2).
 */
export async function replyWithErrorPage (
  consent: ConsentConfig,
  step: Step,
  reply: FastifyReply,
  error: McpOAuthError,
  { status = error.statusCode, back }: { status?: number, back?: string | undefined } = {}
): Promise<FastifyReply> {
  const { request } = reply
  prepareErrorReply(request, reply, error, status).headers(guardHeaders(consent))
  // Browsers list text/html first, programs JSON or anything.
  const preferred = /text\/html|application\/json/.exec(request.headers.accept ?? '')?.[0]
  if (preferred !== 'text/html') return sendJson(reply, error)
  const view = await viewOf(reply, consent)
  const { messages, language, direction } = view
  const name = pageOf(messages, step, error, status)
  const { [name]: advice = messages.advice.restart }: Record<string, string> = messages.advice
  const nonce = randomBytes(16).toString('base64')
  const details = {
    ...messages.errors[name],
    advice,
    cause: error.message,
    error: error.error,
    status,
    reference: String(request.id).slice(0, maxReferenceChars),
    back: back ?? null,
    language,
    direction,
    nonce
  }
  if (consent.renderError) {
    try {
      const page = await renderPage('consent.renderError', consent.renderError, details)
      return sendPage(reply, view, page, nonce)
    } catch (err) {
      safeLogger(request.log).error(
        { err },
        'Could not render an error page with consent.renderError'
      )
    }
  }
  return sendPage(reply, view, errorPage(view, details))
}

/**
 * Makes an error handler that shows the errors of a step, including those of hooks of the host.
 */
export function pageErrorHandler (step: Step) {
  return ({ config: { consent } }: { config: { consent: ConsentConfig } }) =>
  (thrown: Error, request: FastifyRequest, reply: FastifyReply) =>
    replyWithErrorPage(consent, step, reply, classify(thrown, request))
}

/** The page that fits an error best: by cause, by kind, by step. */
function pageOf (
  { errors }: Messages,
  step: Step,
  { page, kind }: McpOAuthError,
  status: number
): ErrorPageName {
  if (kind === 'tooManyRequests') return kind
  if (status === 503 || status === 504) return 'unavailable'
  if (status >= 500) return 'broken'
  return page ?? (Object.hasOwn(errors, kind) ? kind as ErrorPageName : step)
}

function errorPage (view: View, details: ErrorPageDetails) {
  const { errorPage: texts } = view.messages
  const { title, text, advice, cause, error, reference, back } = details
  return htmlPage(
    view,
    title,
    html`<p>${text}</p>
!${back === null ? html`<p>${advice}</p>` : linkTo(back, texts)}
<div class="soft">
<p lang="en" dir="ltr">${cause}</p>
<p>!${fillHtml(texts.code, { code: html`<code>${error}</code>` })}</p>
<p>!${fillHtml(texts.reference, { reference: html`<code>${reference}</code>` })}</p>
</div>`
  )
}

function linkTo (url: string, { back, backLink }: Messages['errorPage']) {
  const { host, protocol } = new URL(url)
  const name = host || protocol
  return html`<p>!${fillHtml(back, { host: html`<bdi><strong>${name}</strong></bdi>` })}</p>
<p><a rel="noreferrer" href="${url}">${fill(backLink, { host: name })}</a></p>`
}
