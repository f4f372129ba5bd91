import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everywhere } from '../support/everywhere.ts'
import { claimsOf, isError, isPage, loopbackUri, redeem, webUri } from '../support/flow.ts'
import { inside, privateAddress, publicAddress, runInside, skip, startInternet } from '../support/internet.ts'
import { connectClient, headlessOAuth, refresh } from '../support/login.ts'

if (inside) await tests()
else test('REG-01 REG-02 REG-12 REG-13 REG-16 C-02 C-03 C-13 C-17 clients that are named by URLs of the public internet', { skip }, t => runInside(t, import.meta.filename))

async function tests (): Promise<void> {
  const internet = await startInternet()
  const publish = (host: string, path = '/client.json', more: object = {}) => {
    const id = `https://${host}${path}`
    internet.documents[host + path] = { client_id: id, client_name: 'Night Owl', redirect_uris: [loopbackUri], grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'none', ...more }
    return id
  }
  internet.hosts = { 'owl.example': [[publicAddress]], 'inside.example': [[privateAddress]], 'mixed.example': [[privateAddress, publicAddress]], 'strange.example': [[publicAddress]] }

  everywhere('REG-01 REG-02 a client logs in, calls and refreshes by the URL of its document, which is read once', async ({ startBroker }, t) => {
    const { mcpUrl, issuer } = await startBroker()
    const id = publish('owl.example', `/${encodeURIComponent(t.name)}.json`)
    const oauth = headlessOAuth({ clientMetadataUrl: id, redirectUrl: loopbackUri })
    const client = await connectClient(mcpUrl, { oauth })
    assert.equal((await client.listTools()).tools.length, 1)
    await refresh(issuer, oauth)
    assert.equal((await client.listTools()).tools.length, 1)
    await client.close()
    assert.equal(oauth.client?.client_id, id)
    assert.equal(internet.asked.filter(place => `https://${place}` === id).length, 1)
  })

  everywhere('REG-02 REG-12 REG-13 REG-16 the page shows whose document it is, and where it leads; the document decides where that may be', async ({ startFlow }, t) => {
    const flow = await startFlow()
    const folder = `/${encodeURIComponent(t.name)}`
    const id = publish('owl.example', `${folder}/client.json`, { redirect_uris: [webUri, 'http://127.0.0.1/callback'] })
    for (const [uri, host] of [[webUri, 'app.example'], [loopbackUri, '127.0.0.1:4711']] as const) {
      const { status, text } = await flow.authorize(flow.asked(id, { redirect_uri: uri }))
      assert.equal(status, 200, text)
      for (const shown of ['Night Owl', 'owl.example', host]) assert.ok(text.includes(shown), shown)
      assert.equal(/on this device/.test(text), uri === loopbackUri)
      const tokens = await flow.token(redeem(id, await flow.login(id, { params: { redirect_uri: uri } }), { redirect_uri: uri }))
      assert.equal(tokens.status, 200, tokens.text)
      assert.equal(claimsOf(tokens.json()['access_token'])['client_id'], id)
    }
    isPage(await flow.authorize(flow.asked(id, { redirect_uri: 'https://owl.example/cb' })), 400, 'invalid_request', 'an address that the document does not have')

    publish('owl.example', `${folder}/nameless.json`, { client_name: undefined })
    publish('owl.example', `${folder}/secret.json`, { token_endpoint_auth_method: 'client_secret_basic' })
    publish('owl.example', `${folder}/other.json`, { client_id: id })
    for (const name of ['nameless', 'secret', 'other', 'missing']) isPage(await flow.authorize(flow.asked(`https://owl.example${folder}/${name}.json`)), 400, 'invalid_client', name)
    isError(await flow.token(redeem('https://owl.example', 'x')), 401, 'invalid_client')
  })

  everywhere('C-02 C-03 C-17 nobody is led to a private address, by no name server; and certificates count', async ({ startFlow }) => {
    const flow = await startFlow()
    for (const host of ['inside.example', 'strange.example', 'unknown.example']) isPage(await flow.authorize(flow.asked(publish(host))), 400, 'invalid_client', host)
    internet.hosts['moving.example'] = [[publicAddress], [privateAddress]]
    for (const host of ['mixed.example', 'moving.example']) assert.equal((await flow.authorize(flow.asked(publish(host)))).status, 200, host)
    assert.equal(internet.strayed, 0)
  }, { inTurn: true })

  everywhere('C-13 a document that has become a bad one redeems no code; one that has changed does not move the user elsewhere', async ({ startFlow }, t) => {
    const flow = await startFlow()
    const path = `/${encodeURIComponent(t.name)}.json`
    const id = publish('owl.example', path)
    internet.lifetimes[`owl.example${path}`] = 'no-store'
    const [moved, spoiled] = [await flow.login(id), await flow.login(id)]
    publish('owl.example', path, { redirect_uris: ['https://owl.example/elsewhere'] })
    assert.equal((await flow.token(redeem(id, moved))).status, 200)
    publish('owl.example', path, { client_secret: 'x' })
    isError(await flow.token(redeem(id, spoiled)), 401, 'invalid_client')
  })

  everywhere('C-13 a website that is away, or in no hurry, takes no login away that has begun', async ({ startFlow }, t) => {
    const flow = await startFlow()
    for (const fault of [503, 'hangs'] as const) {
      const path = `/${encodeURIComponent(t.name)}-${fault}.json`
      const id = publish('owl.example', path)
      internet.lifetimes[`owl.example${path}`] = 'no-store'
      const code = await flow.login(id)
      internet.faults[`owl.example${path}`] = fault
      assert.equal((await flow.token(redeem(id, code))).status, 200, String(fault))
    }
  })
}
