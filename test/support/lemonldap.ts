import { generateKeyPairSync } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { freePort } from './broker.ts'
import { isInstalled, startDaemon, temporaryFolder } from './daemon.ts'
import type { ForeignProvider, Registration } from './glewlwyd.ts'

const portal = '/usr/share/lemonldap-ng/portal/htdocs/index.psgi'
const templates = '/usr/share/lemonldap-ng/portal/templates'

/** LemonLDAP::NG refuses to start without its optional modules. */
const packages = `lemonldap-ng starman libgd-securityimage-perl libimage-magick-perl
  libio-string-perl libmime-tools-perl libemail-sender-perl libauthen-captcha-perl
  libconvert-base32-perl libnet-openid-common-perl libstring-random-perl`.replace(/\s+/g, ' ')

/**
 * Starts LemonLDAP::NG with one client and its demonstration users, of whom `dwho` signs in. Its
 * issuer ends with a slash, its metadata are only at the URL of OpenID Connect, and it supports
 * neither `iss` in authorization responses nor revocation. Null if it is not installed.
 */
export async function startLemonldap (
  t: TestContext,
  client: Registration
): Promise<ForeignProvider | null> {
  if (
    !isInstalled(t, { path: '/usr/bin/starman', packages }) ||
    !isInstalled(t, { path: portal, packages })
  ) return null
  const folder = await temporaryFolder(t)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/`
  for (
    const name of ['conf', 'cache', 'sessions', 'sessions/lock', 'psessions', 'psessions/lock']
  ) { await mkdir(join(folder, name)) }
  await writeFile(join(folder, 'lemonldap-ng.ini'), initial(folder))
  await writeFile(
    join(folder, 'conf/lmConf-1.json'),
    JSON.stringify(configuration(folder, url, client))
  )
  await startDaemon(t, {
    command: '/usr/bin/starman',
    args: ['--listen', `127.0.0.1:${port}`, '--workers', '2', portal],
    env: { LLNG_DEFAULTCONFFILE: join(folder, 'lemonldap-ng.ini') },
    url: `${url}.well-known/openid-configuration`
  })
  return { issuer: url, fetch: loginFetch(url) }
}

function initial (folder: string): string {
  return `
[all]
logLevel = error
logger = Lemonldap::NG::Common::Logger::Std
[configuration]
type = File
dirName = ${folder}/conf
localStorage = Cache::FileCache
localStorageOptions = ${localStorageOptions(folder)}
[portal]
staticPrefix = /static
templateDir = ${templates}
languages = en
`
}

function configuration (
  folder: string,
  url: string,
  { clientId, clientSecret, redirectUri }: Registration
): object {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
  })
  const files = (name: string): object => ({
    Directory: join(folder, name),
    LockDirectory: join(folder, name, 'lock'),
    generateModule: 'Lemonldap::NG::Common::Apache::Session::Generate::SHA256'
  })
  return {
    cfgNum: 1,
    cfgVersion: '2.16.1',
    cfgAuthor: 'test',
    cfgDate: '1',
    portal: url,
    domain: '127.0.0.1',
    cookieName: 'lemonldap',
    securedCookie: 0,
    key: 'the key of a test',
    authentication: 'Demo',
    userDB: 'Same',
    passwordDB: 'Demo',
    registerDB: 'Null',
    demoExportedVars: { cn: 'cn', mail: 'mail', uid: 'uid' },
    whatToTrace: '_whatToTrace',
    macros: { _whatToTrace: 'lc($_user)' },
    requireToken: 0,
    timeout: 7200,
    globalStorage: 'Apache::Session::File',
    globalStorageOptions: files('sessions'),
    persistentStorage: 'Apache::Session::File',
    persistentStorageOptions: files('psessions'),
    localSessionStorage: 'Cache::FileCache',
    localSessionStorageOptions: {
      cache_root: join(folder, 'cache'),
      cache_depth: 3,
      default_expires_in: 600,
      namespace: 'lemonldap-ng-sessions'
    },
    locationRules: { '127.0.0.1': { default: 'accept' } },
    issuerDBOpenIDConnectActivation: 1,
    oidcServiceMetaDataIssuer: url,
    oidcServiceAllowAuthorizationCodeFlow: 1,
    oidcServicePrivateKeySig: privateKey,
    oidcServicePublicKeySig: publicKey,
    oidcServiceKeyIdSig: 'one',
    oidcRPMetaDataExportedVars: { broker: { email: 'mail', name: 'cn' } },
    oidcRPMetaDataOptions: {
      broker: {
        oidcRPMetaDataOptionsClientID: clientId,
        oidcRPMetaDataOptionsClientSecret: clientSecret,
        oidcRPMetaDataOptionsRedirectUris: redirectUri,
        oidcRPMetaDataOptionsBypassConsent: 1,
        oidcRPMetaDataOptionsRefreshToken: 1,
        oidcRPMetaDataOptionsRequirePKCE: 1,
        oidcRPMetaDataOptionsIDTokenSignAlg: 'RS256',
        oidcRPMetaDataOptionsAccessTokenJWT: 1,
        oidcRPMetaDataOptionsAccessTokenSignAlg: 'RS256'
      }
    }
  }
}

/** A fetch that fills in the login form. */
function loginFetch (url: string): typeof fetch {
  return async (input, init) => {
    const { body } = init ?? {}
    if (String(input).startsWith(url) && body instanceof URLSearchParams && body.has('password')) {
      body.set('user', 'dwho')
      body.set('password', 'dwho')
    }
    return await fetch(input, init)
  }
}

/** The options as Perl. */
function localStorageOptions (folder: string): string {
  const cache = `'cache_root' => '${folder}/cache', 'cache_depth' => 3`
  return `{ 'namespace' => 'lemonldap-ng-config', 'default_expires_in' => 600, ${cache} }`
}
