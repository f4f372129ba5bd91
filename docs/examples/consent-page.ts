import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'

/** Everything on the page but `fields` is text, some of it written by strangers. */
const escape = (text: string) =>
  text.replaceAll(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)

/** The part of an address that says whose it is. */
const ownerOf = (uri: string) => `${new URL(uri).protocol}//${new URL(uri).host}`

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  issuer: 'https://auth.example.com',
  clientId: 'your-client-id',
  clientSecret: process.env.CLIENT_SECRET,
  setupProxies: true,
  publicUrl: 'https://mcp.example.com',
  secret: process.env.MCP_OAUTH_SECRET,
  requiredScopes: ['notes:read'],
  consent: {
    name: 'Notizen',
    scopes: { 'notes:read': 'Ihre Notizen lesen' },
    render: ({ server, client, redirectUri, scopes, provider, action, fields, nonce }) =>
      `<!doctype html>
<html lang="de">
<title>Zugriff auf ${escape(server)}?</title>
<style nonce="${nonce}">
body { max-width: 32rem; margin: 4rem auto; font: 1.1rem/1.5 system-ui }
form { display: grid; grid-template-columns: 1fr 1fr }
@media (hover: hover) {
  button[value=approve], form::after { grid-area: 1 / 2 }
  form::after { z-index: 1; content: '' }
  html:hover form::after { visibility: hidden; transition: visibility 0s 1s }
}
</style>
<h1>Zugriff auf ${escape(server)} erlauben?</h1>
<p>Eine Anwendung nennt sich „${escape(client.name ?? 'ohne Namen')}“. Niemand hat das geprüft.</p>
<p>Der Zugriff geht an <strong>${escape(ownerOf(redirectUri))}</strong>.</p>
<ul>${scopes.map(({ name, meaning }) => `<li>${escape(meaning ?? name)}</li>`).join('')}</ul>
<p>Danach melden Sie sich bei ${escape(provider)} an.</p>
<form method="post" action="${escape(action)}">
  ${fields}
  <button name="action" value="deny">Ablehnen</button>
  <button name="action" value="approve">Erlauben</button>
</form>
</html>`
  },
  mcp: { tools: true }
})

app.get('/notes', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'listNotes', summary: 'Lists your notes' }
}, async () => ['one', 'two'])

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000, host: '0.0.0.0' })
