import { createHash } from 'node:crypto'
import { html } from 'ghtml'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { McpOAuthError } from '../errors.ts'
import { style } from './style.ts'
import { classify, prepareErrorReply, sendJson } from '../host/isolate.ts'

/**
 * No script, no framing, nothing loaded, and only styles of this source. There is no form-action:
 * browsers apply it to the whole chain of redirects behind a form.
 */
export function pageHeadersFor (styleSource: string) {
  return Object.freeze({
    'content-security-policy':
      `default-src 'none'; style-src '${styleSource}'; base-uri 'none'; frame-ancestors 'none'`,
    'x-frame-options': 'DENY',
    'content-type': 'text/html; charset=utf-8'
  })
}

/** Those of our own pages. */
export const pageHeaders = pageHeadersFor(
  `sha256-${createHash('sha256').update(style).digest('base64')}`
)

/**
 * Answers a browser that must not be redirected (RFC 6749 §4.1.2.1): a readable page, or OAuth JSON
 * for everything that prefers it.
 *
 * @param back a validated redirect URI, offered as a link, where redirecting by ourselves would
 *   make us an open redirector (RFC 9700 §4.11.2)
 */
export function answerPage (
  request: FastifyRequest,
  reply: FastifyReply,
  error: McpOAuthError,
  status: number,
  back?: string
): FastifyReply {
  prepareErrorReply(request, reply, error, status).headers(pageHeaders)
  return prefersHtml(request.headers.accept)
    ? reply.send(errorPage(error, back))
    : sendJson(reply, error)
}

/** Handles the errors of routes that browsers are sent to, those of hooks of the host included. */
export function pageError (
  thrown: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply
): void {
  const error = classify(thrown, request)
  answerPage(request, reply, error, error.statusCode)
}

/**
 * A whole page of ours. It may tell ourselves where a form comes from, and nobody else: without a
 * referrer browsers send `Origin: null`.
 *
 * @param main HTML, with everything in it escaped; its heading has the id `title`
 */
export function htmlPage (title: string, main: string): string {
  return html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="same-origin"><title>${title}</title><style>!${style}</style></head>
<body><main aria-labelledby="title">!${main}</main></body>
</html>
`
}

function errorPage (error: McpOAuthError, back: string | undefined): string {
  const there = back === undefined ? '' : new URL(back).host || new URL(back).protocol
  const way = back === undefined
    ? html`<p>Close this window and start again from the application that opened it. If it happens again, remove the connection there and add it anew.</p>`
    : html`<p>You can go back to the application at <strong>${there}</strong>. Only follow this link if you know it.</p><p><a rel="noreferrer" href="${back}">Back to ${there}</a></p>`
  const title = 'Sign-in could not start'
  return htmlPage(
    title,
    html`
<h1 id="title">${title}</h1>
<p>${error.message}</p>
!${way}
<p class="soft">Error: <code>${error.error}</code></p>
`
  )
}

/** Browsers name text/html first; programs ask for JSON or anything. */
function prefersHtml (accept = ''): boolean {
  const at = accept.indexOf('text/html')
  const json = accept.indexOf('application/json')
  return at !== -1 && (json === -1 || at < json)
}
