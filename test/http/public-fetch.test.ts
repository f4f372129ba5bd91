import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { createPublicFetch, isPublicAddress } from '../../lib/http/public-fetch.ts'
import { skip as noCertificate, startUntrustedServer } from '../support/certificate.ts'

const json = { 'content-type': 'application/json' }

async function listen (t: TestContext, server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

async function serve (t: TestContext, listener: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listen(t, createServer(listener))}`
}

/** Counts connections and the bytes received on them. */
async function startTrap (
  t: TestContext
): Promise<{ port: number, counts: { connections: number, bytes: number } }> {
  const counts = { connections: 0, bytes: 0 }
  const port = await listen(
    t,
    createTcpServer(socket => {
      counts.connections++
      socket.on('error', () => {}).on('data', data => {
        counts.bytes += data.length
      })
    })
  )
  return { port, counts }
}

const rejection = {
  kind: 'invalidClient',
  message: 'The client is unknown or could not be authenticated.',
  statusCode: 401
}

test('isPublicAddress accepts addresses of the public internet only [C-02 SS-01]', () => {
  const hidden = [
    '127.0.0.1',
    '127.255.255.255',
    '10.0.0.1',
    '10.255.255.255',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.0.1',
    '169.254.169.254',
    '100.64.0.1',
    '100.127.255.255',
    '0.0.0.0',
    '0.1.2.3',
    '192.0.0.1',
    '192.0.2.1',
    '192.88.99.1',
    '198.18.0.1',
    '198.19.255.255',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '239.255.255.255',
    '240.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    'fc00::1',
    'fdff::1',
    'fd00:ec2::254',
    'fe80::1',
    'febf::1',
    'fec0::1',
    'ff00::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '::ffff:808:808',
    '::ffff:0:8.8.8.8',
    '64:ff9b::7f00:1',
    '64:ff9b::8.8.8.8',
    '64:ff9b:1::1',
    '2002:7f00:1::',
    '2002:808:808::1',
    '2001::1',
    '2001:0:1::1',
    '2001:1ff::1',
    '2001:2::1',
    '2001:10::1',
    '2001:20::1',
    '2001:db8::1',
    '::127.0.0.1',
    '::8.8.8.8',
    '3fff::1',
    '3fff:fff::1',
    '5f00::1',
    '100::1',
    '1::1',
    '4000::1',
    '8000::1',
    '1fff:ffff::1',
    '2620:4f:8000::1',
    '2606:4700::1%eth0',
    'fe80::1%1',
    '',
    'localhost',
    '127.1',
    '0177.0.0.1',
    '010.0.0.1',
    '2130706433',
    '0x7f000001',
    '1.2.3',
    '1.2.3.4.5',
    ' 8.8.8.8',
    '8.8.8.8/32',
    '[2606:4700::1]',
    'example.com'
  ]
  for (const address of hidden) assert.equal(isPublicAddress(address), false, address)
  const open = [
    '8.8.8.8',
    '1.1.1.1',
    '172.15.255.255',
    '172.32.0.1',
    '100.63.255.255',
    '100.128.0.1',
    '169.253.1.1',
    '192.0.1.1',
    '198.17.1.1',
    '198.20.1.1',
    '223.255.255.255',
    '2606:4700::1111',
    '2001:4860:4860::8888',
    '2a00:1450::1',
    '2001:200::1',
    '2003::1',
    '3ffe::1',
    '3fff:1000::1'
  ]
  for (const address of open) assert.equal(isPublicAddress(address), true, address)
})

test('publicFetch rejects private addresses in the URL in every notation [C-02 L17 SS-01]', async (t) => {
  const { port, counts } = await startTrap(t)
  const fetch = createPublicFetch({
    resolve: async () => {
      assert.fail('an address is not looked up')
    }
  })
  for (
    const host of [
      '127.0.0.1',
      '127.1',
      '2130706433',
      '0x7f.1',
      '0177.0.0.1',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::127.0.0.1]',
      '[64:ff9b::127.0.0.1]',
      '0.0.0.0',
      '１２７.0.0.1'
    ]
  ) {
    await assert.rejects(fetch(`https://${host}:${port}/`), {
      ...rejection,
      cause: new Error('the host has no public address')
    }, host)
  }
  assert.deepEqual(counts, { connections: 0, bytes: 0 })
})

test('publicFetch sends nothing to a name with a private address [C-02 SS-01]', async (t) => {
  const { port, counts } = await startTrap(t)
  for (
    const lookupResult of [
      ['127.0.0.1'],
      ['::1', '127.0.0.1'],
      ['::ffff:127.0.0.1'],
      ['not an address'],
      []
    ]
  ) {
    const fetch = createPublicFetch({ resolve: async () => lookupResult })
    await assert.rejects(fetch(`https://app.example:${port}/`), {
      ...rejection,
      cause: new Error('the host has no public address')
    })
  }
  await assert.rejects(
    createPublicFetch({
      resolve: async () => {
        throw new Error('no such name')
      }
    })(`https://app.example:${port}/`),
    rejection
  )
  await assert.rejects(createPublicFetch()(`https://localhost:${port}/`), rejection)
  assert.deepEqual(counts, { connections: 0, bytes: 0 })
})

test('publicFetch ignores private addresses among public ones, after one lookup [C-03 SS-01]', async (t) => {
  const { port, counts } = await startTrap(t)
  let lookups = 0
  // 2fff::1 is public by its range, but not assigned.
  const fetch = createPublicFetch({
    timeout: 300,
    resolve: async () => lookups++ === 0 ? ['127.0.0.1', '2fff::1', '::1'] : ['127.0.0.1']
  })
  await assert.rejects(fetch(`https://app.example:${port}/`), rejection)
  assert.equal(lookups, 1)
  assert.deepEqual(counts, { connections: 0, bytes: 0 })
})

test('publicFetch connects to the address that it resolved [C-03]', async (t) => {
  const origin = await serve(t, (request, response) => {
    response.end(request.headers.host)
  })
  const { port } = new URL(origin)
  const fetch = createPublicFetch({ allowPrivate: true, resolve: async () => ['127.0.0.1'] })
  assert.equal((await fetch(`http://app.example:${port}/`)).text, `app.example:${port}`)
})

test('publicFetch rejects URLs that are not https [C-01]', async (t) => {
  const { port, counts } = await startTrap(t)
  let lookups = 0
  const fetch = createPublicFetch({
    resolve: async () => {
      lookups++
      return []
    }
  })
  for (
    const url of [
      `http://app.example:${port}/`,
      'file:///etc/passwd',
      'ftp://app.example/',
      'not a URL'
    ]
  ) await assert.rejects(fetch(url), rejection)
  assert.deepEqual([lookups, counts.connections], [0, 0])
})

test('publicFetch sends each request on a new connection without credentials [C-15 SS-03]', async (t) => {
  const requests: IncomingMessage[] = []
  const origin = await serve(t, (request, response) => {
    requests.push(request)
    response.writeHead(200, { ...json, 'set-cookie': 'a=b' }).end('{}')
  })
  const fetch = createPublicFetch({ allowPrivate: true })
  for (let count = 0; count < 3; count++) {
    assert.equal((await fetch(`${origin}/client?b=1&a=%20`)).text, '{}')
  }
  assert.equal(new Set(requests.map(request => request.socket)).size, 3)
  for (const { method, url, headers } of requests) {
    assert.deepEqual({ method, url, headers }, {
      method: 'GET',
      url: '/client?b=1&a=%20',
      headers: {
        host: new URL(origin).host,
        connection: 'close',
        accept: 'application/json',
        'accept-encoding': 'identity',
        'user-agent': 'fastify-mcp-oauth'
      }
    })
  }
})

test('publicFetch ignores a second response on a connection [C-15]', async (t) => {
  const body = (text: string) => `HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`
  const port = await listen(
    t,
    createTcpServer(socket => {
      socket.on('error', () => {}).once('data', () => {
        socket.write(body('first') + body('poison'))
      })
    })
  )
  const fetch = createPublicFetch({ allowPrivate: true })
  for (let count = 0; count < 3; count++) {
    const text = await fetch(`http://127.0.0.1:${port}/`).then(
      response => response.text,
      () => 'rejected'
    )
    assert.ok(['first', 'rejected'].includes(text))
  }
})

test('publicFetch returns redirects and errors, and follows none [C-05 C-06 SS-02]', async (t) => {
  const paths: Array<string | undefined> = []
  const origin = await serve(t, (request, response) => {
    paths.push(request.url)
    response.writeHead(Number(request.url?.slice(1)), { location: '/200' }).end()
  })
  const fetch = createPublicFetch({ allowPrivate: true })
  for (const status of [204, 301, 302, 303, 304, 307, 308, 404, 500]) {
    assert.equal((await fetch(`${origin}/${status}`)).status, status)
  }
  assert.equal(paths.includes('/200'), false)
})

test('publicFetch accepts 5,120 bytes and rejects one more, for any length header [C-07 SS-03]', async (t) => {
  const origin = await serve(t, (request, response) => {
    const [, bytes = '0', framing] = request.url?.split('/') ?? []
    if (framing === 'sized') response.setHeader('content-length', bytes)
    response.end('é'.repeat(Number(bytes) / 2) + 'x'.repeat(Number(bytes) % 2))
  })
  const fetch = createPublicFetch({ allowPrivate: true })
  for (const framing of ['sized', 'chunked']) {
    assert.equal(Buffer.byteLength((await fetch(`${origin}/5120/${framing}`)).text), 5120)
    await assert.rejects(fetch(`${origin}/5121/${framing}`), rejection)
  }
})

type Fault = (response: ServerResponse) => void

const faults: Record<string, Fault> = {
  'an endless body': response => {
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    }
    response.on('drain', more)
    more()
  },
  'a gzip bomb': response => {
    response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(
      gzipSync(Buffer.alloc(4_000_000, 32))
    )
  },
  'a small compressed body': response => {
    response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(gzipSync('{}'))
  },
  'a chain of encodings': response => {
    response.writeHead(200, { ...json, 'content-encoding': 'gzip, br, gzip' }).end('{}')
  },
  'a slow drip': response => {
    response.writeHead(200, json)
    const timer = setInterval(() => {
      response.write(' ')
    }, 20)
    response.on('close', () => {
      clearInterval(timer)
    })
  },
  'too short a body': response => {
    response.writeHead(200, { ...json, 'content-length': '99' }).write(
      '{}',
      () => response.socket?.end()
    )
  },
  'a hang': () => {},
  'a hang after the headers': response => {
    response.writeHead(200, json).write('{')
  },
  'a reset': response => {
    response.socket?.resetAndDestroy()
  },
  'a reset in the body': response => {
    response.writeHead(200, { ...json, 'content-length': '99' }).write(
      '{',
      () => response.socket?.resetAndDestroy()
    )
  },
  'bytes that are not UTF-8': response => {
    response.writeHead(200, json).end(Buffer.from([0x22, 0xff, 0x22]))
  },
  'large headers': response => {
    response.writeHead(200, { 'x-large': 'x'.repeat(100_000) }).end('{}')
  },
  'no HTTP': response => {
    response.socket?.end('SSH-2.0-OpenSSH_9.2\r\n')
  }
}

for (const [name, fault] of Object.entries(faults)) {
  test(`publicFetch rejects ${name} with invalidClient [C-07 C-16 SS-03]`, async (t) => {
    const origin = await serve(t, (_request, response) => {
      response.on('error', () => {})
      fault(response)
    })
    const fetch = createPublicFetch({ allowPrivate: true, timeout: 500 })
    await assert.rejects(fetch(`${origin}/`), rejection)
  })
}

test('publicFetch rejects a closed port and a hanging name server with invalidClient [C-16]', async () => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await assert.rejects(
    createPublicFetch({ allowPrivate: true })(`http://127.0.0.1:${port}/`),
    rejection
  )
  await assert.rejects(
    createPublicFetch({ timeout: 50, resolve: async () => sleep(500, ['127.0.0.1']) })(
      'https://app.example/'
    ),
    rejection
  )
})

test('publicFetch keeps a byte order mark [C-08]', async (t) => {
  const origin = await serve(t, (_request, response) => {
    response.writeHead(200, json).end('\ufeff{}')
  })
  assert.equal((await createPublicFetch({ allowPrivate: true })(`${origin}/`)).text, '\ufeff{}')
})

test('publicFetch runs five requests to a host at once, queues five and rejects more [C-14 REG-18]', async (t) => {
  const waiting: ServerResponse[] = []
  let most = 0
  let open = 0
  const origin = await serve(t, (_request, response) => {
    most = Math.max(most, ++open)
    waiting.push(response)
  })
  const fetch = createPublicFetch({ allowPrivate: true })
  const outcomes = Array.from(
    { length: 50 },
    (_, index) =>
      fetch(`${origin}/${index}`).then(
        response => String(response.status),
        (error: { kind: string }) => error.kind
      )
  )
  for (let count = 0; count < 10; count++) {
    while (waiting.length < Math.min(5, 10 - count)) await sleep(1)
    open--
    waiting.shift()?.end()
  }
  const kinds = await Promise.all(outcomes)
  assert.deepEqual([
    kinds.filter(kind => kind === '200').length,
    kinds.filter(kind => kind === 'overloaded').length
  ], [10, 40])
  assert.equal(most, 5)
  const later = fetch(`${origin}/later`)
  while (waiting.length === 0) await sleep(1)
  waiting.shift()?.end()
  assert.equal((await later).status, 200)
})

test('publicFetch delays no other host and no known document for hosts that hang [field:A11]', async (t) => {
  const hanging = new Set<ServerResponse>()
  const origin = await serve(t, (request, response) => {
    if (request.headers.host?.startsWith('slow')) hanging.add(response)
    else response.end('{}')
  })
  const { port } = new URL(origin)
  const fetch = createPublicFetch({
    allowPrivate: true,
    resolve: async () => ['127.0.0.1'],
    timeout: 60_000
  })
  const kinds: unknown[] = []
  const start = (host: string) =>
    fetch(`http://${host}.example:${port}/`).catch(({ kind }) => kinds.push(kind))
  const statusOf = async (host: string, isKnown: boolean) =>
    (await fetch(`http://${host}.example:${port}/`, isKnown)).status
  const running = Array.from({ length: 21 }, () => start('slow'))
  while (hanging.size < 5 || kinds.length < 11) await sleep(1)
  assert.deepEqual(new Set(kinds), new Set(['overloaded']))
  for (let index = 0; index < 12; index++) assert.equal(await statusOf(`a${index}`, false), 200)
  // Many hosts that do not respond.
  for (let index = 0; index < 200; index++) running.push(start(`slow${index}`))
  while (hanging.size < 100) await sleep(1)
  assert.equal(hanging.size, 100)
  await assert.rejects(statusOf('b', false), { kind: 'overloaded' })
  for (let index = 0; index < 12; index++) assert.equal(await statusOf(`b${index}`, true), 200)
  t.after(() => Promise.all(running))
})

test('publicFetch starts the next request after failures, and its timeout then [C-14]', async (t) => {
  let requests = 0
  const origin = await serve(t, (request, response) => {
    requests++
    if (request.url === '/next') response.end('{}')
  })
  const fetch = createPublicFetch({ allowPrivate: true, timeout: 200 })
  const failing = Array.from({ length: 9 }, (_, index) => fetch(`${origin}/${index}`))
  const following = fetch(`${origin}/next`)
  for (const { status } of await Promise.allSettled(failing)) assert.equal(status, 'rejected')
  assert.equal((await following).status, 200)
  assert.equal(requests, 10)
})

test(
  'publicFetch rejects untrusted certificates, also if the process does not check them [C-17]',
  { skip: noCertificate },
  async (t) => {
    const { port, requests } = await startUntrustedServer(
      t,
      'app.example',
      (_request, response) => {
        response.end('{}')
      }
    )
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    t.after(() => {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
    })
    const fetch = createPublicFetch({ allowPrivate: true, resolve: async () => ['127.0.0.1'] })
    for (const setting of ['1', '0']) {
      process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = setting
      await assert.rejects(fetch(`https://app.example:${port}/`), (error: Error) => {
        assert.equal((error.cause as { code?: string }).code, 'DEPTH_ZERO_SELF_SIGNED_CERT')
        return true
      })
    }
    assert.equal(requests(), 0)
  }
)
