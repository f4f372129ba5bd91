import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { freePort } from './broker.ts'
import { isInstalled, startDaemon, temporaryFolder } from './daemon.ts'

/** Our registration at a provider. */
export interface Registration {
  clientId: string
  clientSecret: string
  redirectUri: string
}

/**
 * A provider that runs as a daemon, and a browser without a screen that signs in there as `alice`
 * or `dwho`.
 */
export interface ForeignProvider {
  issuer: string
  fetch: typeof fetch
}

const program = { path: '/usr/bin/glewlwyd', packages: 'glewlwyd dbconfig-sqlite3' }
const schema = '/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3'
const password = 'the password of alice'

/**
 * Starts Glewlwyd with one client and the user `alice`. Its issuer has a path, its metadata are
 * only at the URL of OpenID Connect, and it does not rotate refresh tokens. Null if it is not
 * installed.
 */
export async function startGlewlwyd (
  t: TestContext,
  client: Registration
): Promise<ForeignProvider | null> {
  if (!isInstalled(t, program)) return null
  const folder = await temporaryFolder(t)
  const url = `http://localhost:${await freePort()}`
  await promisify(execFile)('sqlite3', [join(folder, 'db'), `.read ${schema}`])
  await writeFile(join(folder, 'conf'), configuration(folder, url))
  await startDaemon(t, {
    command: program.path,
    args: [`--config-file=${folder}/conf`],
    url: `${url}/config`
  })
  await configure(`${url}/api`, client)
  return { issuer: `${url}/api/oidc`, fetch: loginFetch(url, client) }
}

function configuration (folder: string, url: string): string {
  return `
port=${new URL(url).port}
bind_address="127.0.0.1"
external_url="${url}"
login_url="login.html"
api_prefix="api"
log_mode="console"
log_level="WARNING"
cookie_same_site="empty"
session_expiration=3600
session_key="GLEWLWYD2_SESSION_ID"
login_api_enabled=true
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
hash_algorithm="SHA512"
database={ type="sqlite3" path="${folder}/db" }
`
}

/** An API with a session. */
function session (api: string): (method: string, path: string, body: object) => Promise<string> {
  let cookie = ''
  return async (method, path, body) => {
    const response = await fetch(api + path, {
      method,
      headers: { 'content-type': 'application/json', cookie },
      body: JSON.stringify(body)
    })
    if (!response.ok) {
      throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    }
    cookie = response.headers.getSetCookie().map(line => line.split(';')[0]).join('; ') || cookie
    return cookie
  }
}

async function configure (
  api: string,
  { clientId, clientSecret, redirectUri }: Registration
): Promise<void> {
  const request = session(api)
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
  })
  await request('POST', '/auth/', { username: 'admin', password: 'password' })
  await request('POST', '/mod/plugin/', {
    module: 'oidc',
    name: 'oidc',
    display_name: 'OpenID Connect',
    parameters: {
      iss: `${api}/oidc`,
      'jwt-type': 'rsa',
      'jwt-key-size': '256',
      key: privateKey,
      cert: publicKey,
      'access-token-duration': 3600,
      'refresh-token-duration': 86_400,
      'code-duration': 600,
      'refresh-token-rolling': true,
      'allow-non-oidc': true,
      'auth-type-code-enabled': true,
      'auth-type-refresh-enabled': true,
      'pkce-allowed': true,
      'oauth-as-iss-id': true,
      'jwks-show': true,
      'introspection-revocation-allowed': true,
      'introspection-revocation-allow-target-client': true
    }
  })
  await request('POST', '/client/', {
    client_id: clientId,
    name: 'The broker',
    confidential: true,
    password: clientSecret,
    redirect_uri: [redirectUri],
    authorization_type: ['code', 'refresh_token'],
    token_endpoint_auth_method: ['client_secret_basic'],
    scope: [],
    enabled: true
  })
  await request('POST', '/user/', {
    username: 'alice',
    password,
    scope: ['openid', 'g_profile'],
    enabled: true
  })
}

/** A fetch that performs the steps of the login page, which consists of scripts. */
function loginFetch (url: string, { clientId }: Registration): typeof fetch {
  return async (input, init) => {
    const target = new URL(String(input))
    if (target.href.startsWith(`${url}/api/oidc/auth?`)) {
      const request = session(`${url}/api`)
      await request('POST', '/auth/', { username: 'alice', password })
      const cookie = await request('PUT', `/auth/grant/${clientId}`, {
        scope: target.searchParams.get('scope')
      })
      // The login page adds this parameter when the user continues.
      target.searchParams.set('g_continue', '')
      return await fetch(target, { ...init, headers: { cookie } })
    }
    return await fetch(input, init)
  }
}
