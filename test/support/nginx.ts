import { readFile, writeFile } from 'node:fs/promises'
import type { LookupFunction } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Agent, fetch as undiciFetch, type Dispatcher } from 'undici'
import { selfSigned } from './certificate.ts'
import { isInstalled, startDaemon, temporaryFolder } from './daemon.ts'
import { freePort } from './port.ts'

const examples = new URL('../../docs/examples/nginx/', import.meta.url)

export interface ReverseProxy {
  /** The published origin: `https://<host>:<port>`. */
  origin: string
  /** A fetch that trusts the proxy's certificate and resolves every name to loopback. */
  fetch: typeof fetch
  /** The connections of that fetch. */
  dispatcher: Dispatcher
}

/**
 * Starts nginx with an example of the documentation, including TLS, in front of one of our ports.
 * Null if it is not installed.
 */
export async function startNginx (
  t: TestContext,
  example: 'root' | 'path',
  appPort: number
): Promise<ReverseProxy | null> {
  if (!isInstalled(t, { path: '/usr/sbin/nginx', packages: 'nginx-light openssl' })) return null
  const folder = await temporaryFolder(t)
  const template = await readFile(new URL(`${example}.conf`, examples), 'utf8')
  const host = /server_name ([\w.]+);/.exec(template)?.[1] ?? ''
  const [port, statusPort] = [await freePort(), await freePort()]
  const { key, certificate } = selfSigned(t, [host])
  // The app's port first: the port to listen on may begin with the same digits.
  const server = template
    .replaceAll('127.0.0.1:3000', `127.0.0.1:${appPort}`)
    .replace(/listen 443 ssl/, `listen 127.0.0.1:${port} ssl`)
    .replace(/(?<=ssl_certificate )[^;]+/, certificate)
    .replace(/(?<=ssl_certificate_key )[^;]+/, key)
  await writeFile(join(folder, 'nginx.conf'), configuration(folder, server, statusPort))
  await startDaemon(t, {
    command: '/usr/sbin/nginx',
    args: ['-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')],
    url: `http://127.0.0.1:${statusPort}/`
  })
  const dispatcher = agentTrusting(t, await readFile(certificate, 'utf8'))
  return {
    origin: `https://${host}:${port}`,
    dispatcher,
    fetch: ((input: never, init: object) => undiciFetch(input, { ...init, dispatcher })) as never
  }
}

function configuration (folder: string, server: string, statusPort: number): string {
  const bodies = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name =>
    `  ${name}_temp_path ${folder}/${name};`
  ).join('\n')
  // The workers of nginx drop their privileges and cannot read a folder that belongs to root.
  return `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
pid ${folder}/nginx.pid;
events {}
http {
  access_log off;
${bodies}
server {
  listen 127.0.0.1:${statusPort};
  return 204;
}
${server}
}
`
}

function agentTrusting (t: TestContext, ca: string): Agent {
  const lookup: LookupFunction = (_host, { all }, callback) => {
    all ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4)
  }
  const dispatcher = new Agent({ connect: { ca, lookup } })
  t.after(() => dispatcher.close())
  return dispatcher
}
