import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { matrix } from '../support/matrix.ts'
import { claimsOf, isError, isPage, loopbackUri, redeem, webUri } from '../support/flow.ts'
import {
  inside,
  privateAddress,
  publicAddress,
  runInside,
  skip,
  startInternet
} from '../support/internet.ts'
import { connectClient, headlessOAuth, refresh } from '../support/login.ts'

if (inside) await tests()
else {
  test(
    'GET /oauth/authorize accepts client ids that are URLs [REG-01 REG-02 REG-12 REG-13 REG-16 C-02..C-18]',
    { skip },
    t => runInside(t, import.meta.filename)
  )
}

const json = { 'content-type': 'application/json' }
const respondWith =
  (status: number, headers: Record<string, string>, body: string | Buffer = '') =>
  (response: ServerResponse) => {
    response.writeHead(status, headers).end(body)
  }

async function tests (): Promise<void> {
  const internet = await startInternet()
  internet.hosts = {
    'owl.example': [[publicAddress]],
    'inside.example': [[privateAddress]],
    'mixed.example': [[privateAddress, publicAddress]],
    'strange.example': [[publicAddress]]
  }

  const documentOf = (id: string, more: object = {}) => ({
    client_id: id,
    client_name: 'Night Owl',
    redirect_uris: [loopbackUri],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
    ...more
  })
  /** Publishes a document. If it must not be cached, each login and each redemption fetches it. */
  const publish = (id: string, more: object = {}, cacheable = true) => {
    internet.responses[id.slice('https://'.length)] = respondWith(200, {
      ...json,
      ...(!cacheable && { 'cache-control': 'no-store' })
    }, JSON.stringify(documentOf(id, more)))
    return id
  }
  const folderOf = (name: string) => `https://owl.example/${encodeURIComponent(name)}`
  const fetchesOf = (id: string) => internet.requests[id.slice('https://'.length)] ?? []

  matrix(
    'a client logs in, calls and refreshes with the URL of its document, which is fetched once [REG-01 REG-02]',
    async ({ startBroker }, t) => {
      const { mcpUrl, issuer } = await startBroker()
      const id = publish(`${folderOf(t.name)}.json`)
      const oauth = headlessOAuth({ clientMetadataUrl: id, redirectUrl: loopbackUri })
      const client = await connectClient(mcpUrl, { oauth })
      assert.equal((await client.listTools()).tools.length, 1)
      await refresh(issuer, oauth)
      assert.equal((await client.listTools()).tools.length, 1)
      await client.close()
      assert.equal(oauth.client?.client_id, id)
      assert.equal(fetchesOf(id).length, 1)
    }
  )

  matrix(
    'the consent page shows the host of the document, which limits redirect URIs [REG-02 REG-12 REG-13 REG-16 C-12]',
    async ({ startFlow }, t) => {
      const flow = await startFlow()
      const folder = folderOf(t.name)
      const id = publish(`${folder}/client.json`, {
        redirect_uris: [webUri, 'http://127.0.0.1/callback']
      })
      for (
        const [uri, host] of [[webUri, 'app.example'], [loopbackUri, '127.0.0.1:4711']] as const
      ) {
        const { status, text } = await flow.authorize(flow.params(id, { redirect_uri: uri }))
        assert.equal(status, 200, text)
        for (const expected of ['Night Owl', 'owl.example', host]) {
          assert.ok(text.includes(expected), expected)
        }
        assert.equal(/on this device/.test(text), uri === loopbackUri)
        const tokens = await flow.token(
          redeem(id, await flow.login(id, { params: { redirect_uri: uri } }), { redirect_uri: uri })
        )
        assert.equal(tokens.status, 200, tokens.text)
        assert.equal(claimsOf(tokens.json()['access_token'])['client_id'], id)
      }
      isPage(
        await flow.authorize(flow.params(id, { redirect_uri: 'https://owl.example/cb' })),
        400,
        'invalid_request',
        'a redirect URI that the document does not list'
      )
      isError(await flow.token(redeem('https://owl.example', 'x')), 401, 'invalid_client')
    }
  )

  matrix(
    'documents are fetched from public addresses with valid certificates only [C-02 C-03 C-17]',
    async ({ startFlow }) => {
      const flow = await startFlow()
      for (const host of ['inside.example', 'strange.example', 'unknown.example']) {
        isPage(
          await flow.authorize(flow.params(publish(`https://${host}/client.json`))),
          400,
          'invalid_client',
          host
        )
      }
      internet.hosts['moving.example'] = [[publicAddress], [privateAddress]]
      for (const host of ['mixed.example', 'moving.example']) {
        assert.equal(
          (await flow.authorize(flow.params(publish(`https://${host}/client.json`)))).status,
          200,
          host
        )
      }
      assert.equal(internet.privateConnections, 0)
    },
    { serial: true }
  )

  matrix(
    'invalid documents are all rejected with the same response [C-05..C-11 C-16 SS-02 SS-03]',
    async ({ startFlow }, t) => {
      const flow = await startFlow()
      const folder = folderOf(t.name)
      const validId = publish(`${folder}/valid.json`)
      const key = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }
      const deviating = (more: object) => (id: string) =>
        respondWith(200, json, JSON.stringify(documentOf(id, more)))
      const respondText = (type: string, text: string) => () =>
        respondWith(200, { 'content-type': type }, text)
      const drip = (response: ServerResponse) => {
        response.writeHead(200, json)
        const timer = setInterval(() => {
          response.write(' ')
        }, 100)
        response.on('close', () => {
          clearInterval(timer)
        })
      }
      const rows: Record<string, (id: string) => (response: ServerResponse) => void> = {
        ...Object.fromEntries(
          [301, 302, 303, 307, 308].map(
            status => [`C-05 ${status}`, () => respondWith(status, { location: validId })]
          )
        ),
        ...Object.fromEntries(
          [204, 206, 304, 404, 410, 500, 503].map(
            status => [`C-06 ${status}`, () => respondWith(status, json)]
          )
        ),
        'C-07 too large': id =>
          respondWith(200, json, JSON.stringify(documentOf(id)) + ' '.repeat(5_120)),
        'C-07 no end': () => response => {
          response.writeHead(200, json).write('{"a":"' + 'x'.repeat(100_000))
        },
        'C-07 compressed': id =>
          respondWith(
            200,
            { ...json, 'content-encoding': 'gzip' },
            gzipSync(JSON.stringify(documentOf(id)))
          ),
        'C-07 too short': id => response => {
          response.writeHead(200, { ...json, 'content-length': '4000' }).write(
            JSON.stringify(documentOf(id)),
            () => response.destroy()
          )
        },
        'C-07 drips': () => drip,
        'C-07 hangs': () => response => {
          response.writeHead(200, json).flushHeaders()
        },
        'C-08 HTML': id => respondText('text/html', JSON.stringify(documentOf(id)))(),
        'C-08 BOM': id =>
          respondText('application/json', `\u{FEFF}${JSON.stringify(documentOf(id))}`)(),
        'C-08 several': id =>
          respondText('application/json', `${JSON.stringify(documentOf(id))}\n{}`)(),
        'C-08 a list': id => respondText('application/json', JSON.stringify([documentOf(id)]))(),
        'C-08 deep': respondText('application/json', '['.repeat(5_000)),
        ...Object.fromEntries(
          ['HTTPS', ':443', '/', '?'].map(change => [`C-09 ${change}`, id =>
            deviating({
              client_id: change === 'HTTPS'
                ? id.replace('https', 'HTTPS')
                : change === ':443'
                ? id.replace('example', 'example:443')
                : id + change
            })(id)]
          )
        ),
        'C-10 a secret': deviating({ client_secret: 'x' }),
        'C-10 its end': deviating({ client_secret_expires_at: 0 }),
        'C-10 a method with a secret': deviating({
          token_endpoint_auth_method: 'client_secret_post'
        }),
        'C-10 a private key': deviating({ jwks: { keys: [{ ...key, d: 'd' }] } }),
        'C-10 keys in two places': deviating({
          jwks: { keys: [key] },
          jwks_uri: 'https://owl.example/jwks'
        }),
        ...Object.fromEntries(
          [undefined, [], 'x', ['javascript:alert(1)'], ['http://owl.example/cb'], [
            'https://owl.example/cb#x'
          ]].map(uris => [`C-11 ${JSON.stringify(uris)}`, deviating({ redirect_uris: uris })])
        )
      }
      const texts = new Set<string>()
      const ids = Object.entries(rows).map(([name, respond], index) => {
        const id = `${folder}/${index}.json`
        internet.responses[id.slice('https://'.length)] = respond(id)
        return [name, id] as const
      })
      // The plugin fetches ten documents at once.
      for (let from = 0; from < ids.length; from += 10) {
        await Promise.all(
          ids.slice(from, from + 10).map(async ([name, id]) => {
            const reply = await flow.authorize(flow.params(id))
            isPage(reply, 400, 'invalid_client', name)
            // Each page has the id of its own request.
            texts.add(reply.text.replace(/<code>req-\w+<\/code>/, ''))
            assert.equal(fetchesOf(id).length, 1, `${name} was fetched once`)
          })
        )
      }
      assert.equal(texts.size, 1, 'C-16')
      assert.equal(fetchesOf(validId).length, 0, 'C-05 no redirect is followed')
    },
    { serial: true }
  )

  matrix(
    'a hundred concurrent logins share one fetch without user data, and no logo is fetched [C-14 C-15 C-18]',
    async ({ startFlow }, t) => {
      const flow = await startFlow()
      const id = `${folderOf(t.name)}/client.json`
      const document = JSON.stringify(documentOf(id, { logo_uri: `${folderOf(t.name)}/logo.png` }))
      internet.responses[id.slice('https://'.length)] = response => {
        sleep(500).then(() => {
          response.writeHead(200, json).end(document)
        })
      }
      const replies = await Promise.all(
        Array.from(
          { length: 100 },
          () => flow.authorize(flow.params(id), { cookie: 'session=1', authorization: 'Bearer x' })
        )
      )
      for (const { status, text } of replies) {
        assert.equal(status, 200)
        assert.doesNotMatch(text, /logo\.png|<img/)
      }
      const [headers, ...more] = fetchesOf(id)
      assert.equal(more.length, 0)
      assert.deepEqual(headers, {
        host: 'owl.example',
        connection: 'close',
        accept: 'application/json',
        'accept-encoding': 'identity',
        'user-agent': 'fastify-mcp-oauth'
      })
      assert.equal(fetchesOf(`${folderOf(t.name)}/logo.png`).length, 0)
    }
  )

  matrix(
    'an invalidated document redeems no code, and a changed one does not redirect elsewhere [C-13]',
    async ({ startFlow }, t) => {
      const flow = await startFlow()
      const id = publish(`${folderOf(t.name)}.json`, {}, false)
      const [redirectedCode, invalidatedCode] = [await flow.login(id), await flow.login(id)]
      publish(id, { redirect_uris: ['https://owl.example/elsewhere'] }, false)
      assert.equal((await flow.token(redeem(id, redirectedCode))).status, 200)
      publish(id, { client_secret: 'x' }, false)
      isError(await flow.token(redeem(id, invalidatedCode)), 401, 'invalid_client')
    }
  )

  matrix(
    'an unreachable or slow website does not interrupt a login in progress [C-13]',
    async ({ startFlow }, t) => {
      const flow = await startFlow()
      for (
        const [name, fault] of Object.entries({ away: respondWith(503, json), hanging: () => {} })
      ) {
        const id = publish(`${folderOf(t.name)}/${name}.json`, {}, false)
        const code = await flow.login(id)
        internet.responses[id.slice('https://'.length)] = fault
        assert.equal((await flow.token(redeem(id, code))).status, 200, name)
      }
    }
  )
}
