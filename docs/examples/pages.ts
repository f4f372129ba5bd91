import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'

export const app = Fastify({ logger: true })

/** Everything on a page is text, some of it written by strangers. */
const escape = (text: string) =>
  text.replaceAll(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)

await app.register(mcpOAuth, {
  issuer: 'https://auth.example.com',
  clientId: 'your-client-id',
  clientSecret: process.env.CLIENT_SECRET,
  setupProxies: true,
  publicUrl: 'https://mcp.example.com',
  secret: process.env.MCP_OAUTH_SECRET,
  requiredScopes: ['notes:read'],
  consent: {
    name: 'Notes',
    logo: { src: '/logo.svg', alt: 'Notes' },
    // Text in white on the first, and in a dark grey on the second, must be readable.
    accentColor: { light: '#0b7a5f', dark: '#5fd4b3' },
    scopes: { 'notes:read': 'Read your notes' },
    messages: {
      de: { scopes: { 'notes:read': 'Ihre Notizen lesen' } },
      // A language that the plugin does not have. Texts that are missing are English.
      it: {
        consent: { title: 'Consentire l’accesso a {server}?', allow: 'Consenti', deny: 'Rifiuta' }
      }
    },
    // Without this function, error pages look like the consent page.
    renderError: ({ language, direction, title, text, advice, reference, nonce }) =>
      `<!doctype html>
<html lang="${language}" dir="${direction}">
<title>${escape(title)}</title>
<style nonce="${nonce}">body { max-width: 32rem; margin: 4rem auto; font: 1.1rem system-ui }</style>
<h1>${escape(title)}</h1>
<p>${escape(text)} ${escape(advice)}</p>
<p>Support: help@example.com, <code>${escape(reference)}</code></p>
</html>`
  },
  mcp: { tools: true }
})

app.get('/logo.svg', async (_request, reply) =>
  await reply.type('image/svg+xml').send(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48">' +
      '<rect width="48" height="48" rx="12" fill="#0b7a5f"/></svg>'
  ))

app.get('/notes', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'listNotes', summary: 'Lists your notes' }
}, async () => ['one', 'two'])

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000, host: '0.0.0.0' })
