import type { Interaction } from 'oidc-provider'

/** Asks who signs in. */
export function loginPage (users: string[]): string {
  return page(
    'Sign in',
    `
  <p>This is the demo's own provider. Any of its users will do; there are no passwords.</p>
  <form method="post">
    <label>User <select name="user">${
      users.map((user) => `<option>${escaped(user)}</option>`).join('')
    }</select></label>
    <p><button name="decision" value="allow">Sign in</button> <button name="decision" value="deny">Cancel</button></p>
  </form>`
  )
}

/** Asks whether the client may act for the user. */
export function consentPage (
  { params, prompt, session }: Interaction,
  clientName = 'An unnamed client'
): string {
  const { missingOIDCScope = [], missingResourceScopes = {} } = prompt.details
  const scopes = new Set([...missingOIDCScope, ...Object.values(missingResourceScopes).flat()])
  const redirectUri = params.redirect_uri ?? ''
  return page(
    'Allow access?',
    `
  <p><b>${escaped(clientName)}</b> wants to act for <b>${escaped(session?.accountId)}</b> at <b>${
      escaped(params.resource ?? 'this provider')
    }</b>:</p>
  <ul>${[...scopes].map((scope) => `<li>${escaped(scope)}</li>`).join('')}</ul>
  <p>You will be sent to <code>${
      escaped(URL.canParse(redirectUri) ? new URL(redirectUri).host : redirectUri)
    }</code>.</p>
  <form method="post">
    <p><button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button></p>
  </form>`
  )
}

/** Says that it did not work, and why. */
export function errorPage (reason: string): string {
  return page(
    'That did not work',
    `
  <p>${escaped(reason)}</p>`
  )
}

function page (title: string, content: string): string {
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width">
  <title>${title}</title>
  <style>
    body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 28rem; margin: 12vh auto; padding: 0 1rem; color: #222 }
    button, select { font: inherit; padding: .4rem 1rem }
    code { background: #eee; padding: .1rem .3rem }
  </style>
</head>
<body>
  <h1>${title}</h1>${content}
</body>
</html>
`
}

const escaped = (text = '') =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
