import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'

const missing = spawnSync('openssl', ['version']).status !== 0

/**
 * Why a test that needs a certificate is skipped on a developer's machine. In continuous
 * integration it fails instead.
 */
export const skip = missing && process.env['CI'] !== 'true' &&
  'openssl is missing: apt-get install openssl'

/**
 * Creates a self-signed certificate for the given names, in a folder that is removed after the
 * test.
 */
export function selfSigned (
  t: TestContext,
  names: readonly string[]
): { key: string, certificate: string } {
  const folder = mkdtempSync(join(tmpdir(), 'certificate-'))
  t.after(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const { status, stderr } = spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=test',
    '-addext',
    `subjectAltName=${names.map(name => `DNS:${name}`)}`,
    '-keyout',
    key,
    '-out',
    certificate
  ], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`openssl: ${stderr}`)
  return { key, certificate }
}

/**
 * Issues a certificate for the given names with the key of `selfSigned`, for servers whose names
 * are known later. Processes that trust that certificate trust the new one.
 */
export async function issueCertificate (
  key: string,
  certificate: string,
  names: readonly string[]
): Promise<{ key: string, cert: string }> {
  const { stdout } = await promisify(execFile)('openssl', [
    'req',
    '-x509',
    '-CA',
    certificate,
    '-CAkey',
    key,
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=site',
    '-addext',
    `subjectAltName=${names.map(name => `DNS:${name}`)}`,
    '-keyout',
    '-'
  ])
  const begin = stdout.indexOf('-----BEGIN CERTIFICATE')
  return { key: stdout.slice(0, begin), cert: stdout.slice(begin) }
}

/** A server on loopback with an untrusted certificate, and the number of requests it received. */
export async function startUntrustedServer (
  t: TestContext,
  name: string,
  listener: RequestListener
): Promise<{ port: number, requests: () => number }> {
  const { key, certificate } = selfSigned(t, [name])
  let requests = 0
  const server: Server = createServer(
    { key: readFileSync(key), cert: readFileSync(certificate) },
    (request, response) => {
      requests++
      listener(request, response)
    }
  )
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.after(() => {
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, requests: () => requests }
}
