import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { issueCertificate, selfSigned } from './certificate.ts'
import { temporaryFolder } from './daemon.ts'

// A simulated internet: a network namespace with one public address, and private ones that must
// receive no connection.

export const publicAddress = '1.2.3.4'
export const privateAddress = '10.0.0.1'

/** Names with a certificate that is trusted. */
const names = ['owl.example', 'inside.example', 'mixed.example', 'moving.example']

const namespace = ['--map-root-user', '--net', '--mount']
const missing = process.platform !== 'linux' ||
  spawnSync('unshare', [...namespace, 'ip', 'link', 'set', 'lo', 'up']).status !== 0

/** Whether this process runs inside the namespace. */
export const inside = process.env['TEST_INTERNET'] !== undefined

/**
 * The reason why a developer's machine cannot create a namespace. In continuous integration the
 * test fails instead.
 */
export const skip = missing && process.env['CI'] !== 'true' &&
  'network namespaces are unavailable: unshare --map-root-user --net, and ip of iproute2'

const setupScript = `
set -e
ip link set lo up
ip address add ${publicAddress}/32 dev lo
ip address add ${privateAddress}/32 dev lo
mount --bind "$1" /etc/resolv.conf
shift
exec "$@"
`

/**
 * Starts Node.js inside the namespace. It ends with the test, or with the program that cleans up in
 * the same way.
 */
export async function startInside (
  t: TestContext,
  args: readonly string[]
): Promise<ChildProcessWithoutNullStreams> {
  const folder = await temporaryFolder(t)
  const resolver = join(folder, 'resolv.conf')
  await writeFile(resolver, 'nameserver 127.0.0.1\n')
  const { key, certificate } = selfSigned(t, names)
  const { NODE_TEST_CONTEXT: _outer, ...env } = process.env
  const child = spawn('unshare', [
    ...namespace,
    'sh',
    '-c',
    setupScript,
    'sh',
    resolver,
    process.execPath,
    '--import',
    'tsx',
    ...args
  ], {
    env: { ...env, TEST_INTERNET: key, NODE_EXTRA_CA_CERTS: certificate }
  })
  t.after(() => {
    child.kill('SIGKILL')
  })
  return child
}

/** Runs a test file inside the namespace. If it fails, the error contains its output. */
export async function runInside (
  t: TestContext,
  file: string,
  args: readonly string[] = []
): Promise<void> {
  const child = await startInside(t, ['--test-reporter=spec', file, ...args])
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text
    })
  }
  const [code] = await once(child, 'close')
  if (code !== 0 || !/^ℹ pass [1-9]/m.test(printed)) throw new Error(printed)
}

/** Serves requests to a host. Returns whether it serves that URL. */
export type Site = (request: IncomingMessage, response: ServerResponse) => boolean

export interface Internet {
  /** Responses by host and path. Every other path is 404. */
  responses: Record<string, (response: ServerResponse) => void>
  /** Addresses of hosts, and those that are returned from the second lookup on. */
  hosts: Record<string, string[][]>
  /** Received requests, by host and path. */
  requests: Record<string, IncomingHttpHeaders[]>
  /** Connections to the private address. */
  privateConnections: number
  /**
   * Adds a site at these hosts, with a trusted certificate. A host can have several sites: the last
   * one that serves a URL does so. Resolves to a function that removes the site.
   */
  addSite(hosts: readonly string[], site: Site): Promise<() => void>
}

/**
 * Starts the name server and the websites. Only one can run at a time, since they use the standard
 * ports.
 */
export async function startInternet (): Promise<Internet> {
  const sites: Record<string, Site[]> = {}
  const internet: Internet = {
    responses: {},
    hosts: {},
    requests: {},
    privateConnections: 0,
    addSite
  }
  const [key, cert] = await Promise.all(
    ['TEST_INTERNET', 'NODE_EXTRA_CA_CERTS'].map(name => readFile(process.env[name] as string))
  )
  const tls = { key, cert }
  const website = createServer(tls, (request, response) => {
    const { headers, url } = request
    const address = `${headers.host}${url}`
    ;(internet.requests[address] ??= []).push(headers)
    if (sites[headers.host ?? '']?.some(site => site(request, response))) return
    const {
      [address]: respond = (response: ServerResponse) => {
        response.writeHead(404).end()
      }
    } = internet.responses
    respond(response)
  })
  const privateServer = createServer(tls).on('connection', () => {
    internet.privateConnections++
  })
  const listen = async (server: Server, host: string) => {
    await once(server.listen(443, host), 'listening')
  }
  await Promise.all([listen(website, publicAddress), listen(privateServer, privateAddress)])
  const resolver = createSocket('udp4', (dnsQuery, sender) => {
    resolver.send(dnsResponse(dnsQuery, internet), sender.port, sender.address)
  })
  await once(resolver.bind(53, '127.0.0.1'), 'listening')
  for (const socket of [website, privateServer, resolver]) socket.unref()
  return internet

  async function addSite (hosts: readonly string[], site: Site): Promise<() => void> {
    const unknown = hosts.filter(host => !sites[host])
    if (unknown.length > 0) {
      const certificate = await issueCertificate(
        process.env['TEST_INTERNET'] as string,
        process.env['NODE_EXTRA_CA_CERTS'] as string,
        unknown
      )
      for (const host of unknown) website.addContext(host, certificate)
    }
    for (const host of hosts) {
      internet.hosts[host] ??= [[publicAddress]]
      ;(sites[host] ??= []).unshift(site)
    }
    return () => {
      for (const host of hosts) sites[host] = sites[host]?.filter(other => other !== site) ?? []
    }
  }
}

/** Responds to a DNS query (RFC 1035 §4) with IPv4 addresses or none. */
function dnsResponse (dnsQuery: Buffer, { hosts }: Internet): Buffer {
  const labels: string[] = []
  let at = 12
  for (let length = dnsQuery[at] ?? 0; length > 0; length = dnsQuery[at] ?? 0) {
    labels.push(dnsQuery.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  const isIPv4Query = dnsQuery.readUInt16BE(at + 1) === 1
  const found = hosts[labels.join('.')] ?? []
  const addresses = isIPv4Query ? (found.length > 1 ? found.shift() : found[0]) ?? [] : []
  const header = Buffer.from(dnsQuery.subarray(0, at + 5))
  header.writeUInt16BE(0x8180, 2)
  header.writeUInt16BE(addresses.length, 6)
  header.writeUInt32BE(0, 8)
  const records = addresses.map(address =>
    Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)])
  )
  return Buffer.concat([header, ...records])
}
