/** How does a browser receive a page, in particular one that shows an error? */
import { createHash } from 'node:crypto'
import { html } from 'ghtml'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { McpOAuthError } from '../errors.ts'
import { classify, prepareErrorReply, sendJson } from '../host/replies.ts'
import { messages } from './messages.ts'
import { style } from './style.ts'

/** The endpoint that shows an error, whose title tells how far the login got, or the cause. */
type PageEndpoint = keyof typeof messages.errors

/**
 * Headers of a page without scripts, frames and external content. There is no `form-action`:
 * browsers apply it to all redirects that follow a form.
 */
export function pageHeadersFor (styleSource: string) {
  return {
    'content-security-policy':
      `default-src 'none'; style-src '${styleSource}'; base-uri 'none'; frame-ancestors 'none'`,
    'x-frame-options': 'DENY',
    'content-type': 'text/html; charset=utf-8'
  }
}

/** Headers of the pages with our own {@link style}. */
export const pageHeaders = pageHeadersFor(
  `sha256-${createHash('sha256').update(style).digest('base64')}`
)

/**
 * Shows an error to a browser that must not be redirected (RFC 6749 §4.1.2.1), or sends OAuth JSON
 * to a client that prefers it.
 *
 * @param status defaults to that of the error
 * @param back a validated redirect URI. The page links to it, where a redirect would make us an
 *   open redirector (RFC 9700 §4.11.2).
 */
export function replyWithErrorPage (
  endpoint: PageEndpoint,
  request: FastifyRequest,
  reply: FastifyReply,
  error: McpOAuthError,
  status = error.statusCode,
  back?: string
): FastifyReply {
  prepareErrorReply(request, reply, error, status).headers(pageHeaders)
  // Browsers list text/html first, programs JSON or anything.
  const preferred = /text\/html|application\/json/.exec(request.headers.accept ?? '')?.[0]
  if (preferred !== 'text/html') return sendJson(reply, error)
  const isTemporary = [429, 503, 504].includes(status)
  const cause = isTemporary ? 'unavailable' : status < 500 ? endpoint : 'broken'
  const { [cause]: advice = messages.restart }: Record<string, string> = messages.advice
  return reply.send(htmlPage(
    messages.errors[cause],
    html`<p>${error.message}</p>
!${back === undefined ? html`<p>${advice}</p>` : linkTo(back)}
<p class="soft">!${messages.code(error.error)}</p>`
  ))
}

/** An error handler that shows what it caught, errors from hooks of the host included. */
export function pageErrorHandler (endpoint: PageEndpoint) {
  return (thrown: Error, request: FastifyRequest, reply: FastifyReply) => {
    replyWithErrorPage(endpoint, request, reply, classify(thrown, request))
  }
}

/**
 * A complete page. Its referrer policy lets browsers send our own forms with an origin; without a
 * referrer they would send `Origin: null`.
 *
 * @param title plain text
 * @param main HTML, below the title
 * @param logo HTML, above the title
 */
export function htmlPage (title: string, main: string, logo = '') {
  return html`<!doctype html>
<html lang="${messages.language}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="same-origin"><title>${title}</title><style>!${style}</style></head>
<body><main aria-labelledby="title">
!${logo}
<h1 id="title">${title}</h1>
!${main}
</main></body>
</html>
`
}

function linkTo (back: string) {
  const { host, protocol } = new URL(back)
  const name = host || protocol
  return html`<p>!${messages.back(name)}</p>
<p><a rel="noreferrer" href="${back}">!${messages.backLink(name)}</a></p>`
}
