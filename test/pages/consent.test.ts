import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import type { ConsentConfig } from '../../lib/options/consent.ts'
import type { ConsentDetails } from '../../lib/options/page-details.ts'
import { type ConsentPage } from '../../lib/pages/consent.ts'
import { basePage, serve } from '../support/consent-page.ts'

async function get (t: TestContext, change: Partial<ConsentPage> = {}) {
  const { statusCode, headers, body } = await serve(t, { ...basePage, ...change }).inject('/')
  return { statusCode, headers, body, text: textOf(body) }
}

/** The visible text of the page, with entities resolved. */
function textOf (body: string): string {
  return body.replace(/^.*<body>/s, '').replace(/<\/?bdi>/g, '').replace(/<[^>]*>/g, ' ').replace(
    /&#(\d+);/g,
    (_entity, code) => String.fromCharCode(Number(code))
  ).replace(/\s+/g, ' ')
}

test('consent page: shows client, destination, scopes, resource and provider [N-14 CD-03]', async (t) => {
  const { statusCode, body, text } = await get(t)
  assert.equal(statusCode, 200)
  assert.match(body, /<html lang="en" dir="ltr">.*<title>Allow access to Tasks\?<\/title>/s)
  assert.match(text, /Application “Night Owl” Unverified name/)
  assert.match(text, /Access goes to owl\.example https:\/\/owl\.example\/cb\?x=1 /)
  assert.match(
    text,
    new RegExp(
      'Recognise you when you come back openid Stay connected while you are away ' +
        'offline_access Read your tasks tasks:read tasks:write '
    )
  )
  assert.match(text, /This is for https:\/\/mcp\.example\/mcp /)
  assert.match(text, /you sign in at login\.example next/)
  assert.doesNotMatch(text, /Published at|on this device|xn--/)
  assert.doesNotMatch(body, /sealed-client|class="logo"|aria-describedby/)
})

test('consent page: the form contains the sealed request and two decisions [CD-04]', async (t) => {
  const { body } = await get(t)
  const [form = ''] = /<form.*<\/form>/s.exec(body) ?? []
  assert.match(form, /^<form method="post" action="\/oauth\/consent">/)
  assert.deepEqual(
    [...form.matchAll(/ name="(\w+)" value="([^"]*)"/g)].map(([, ...pair]) => pair),
    [['request', 'sealed-request'], ['action', 'deny'], ['action', 'approve']]
  )
})

for (
  const redirectUri of ['http://127.0.0.1:51234/cb', 'http://localhost/cb', 'http://[::1]:1/cb']
) {
  test(`consent page: warns about the loopback redirect URI ${redirectUri} [N-14 REG-16]`, async (t) => {
    const { body, text } = await get(t, { redirectUri })
    assert.ok(text.includes(`Access goes to ${new URL(redirectUri).host} ${redirectUri} `))
    assert.match(
      text,
      /Access goes to a program on this device\. Any program here can pretend to be this application\./
    )
    assert.match(
      body,
      /<div id="warnings".*<button [^>]*value="approve" aria-describedby="warnings">/s
    )
  })
}

for (const redirectUri of ['cursor://anysphere/cb', 'com.example.app:/cb', 'httpx://app/cb']) {
  test(`consent page: warns about the private-use redirect URI ${redirectUri} [N-14 REG-16]`, async (t) => {
    const { text } = await get(t, { redirectUri })
    const { protocol } = new URL(redirectUri)
    assert.ok(text.includes(`Access goes to an app that opens ${protocol} links ${redirectUri} `))
    assert.ok(
      text.includes(
        `Access goes to an app on this device. Any app here can claim ${protocol} links`
      )
    )
  })
}

test('consent page: does not warn about an https host that starts with localhost [N-14 REG-16]', async (t) => {
  const { text } = await get(t, { redirectUri: 'https://localhost.evil.example/cb' })
  assert.doesNotMatch(text, /on this device/)
})

test('consent page: shows the host of a client id that is a URL [N-14 REG-16]', async (t) => {
  const client = { id: 'https://owl.example/client.json', name: 'Night Owl' }
  assert.match(
    (await get(t, { client })).text,
    /Unverified name Published at owl\.example https:\/\/owl\.example\/client\.json Access/
  )
  assert.match(
    (await get(t, { client, redirectUri: 'http://localhost:1/' })).text,
    /Any program here can pretend to be owl\.example\./
  )
})

test('consent page: shows internationalized hosts in ASCII, with a warning [N-14]', async (t) => {
  const redirect = await get(t, { redirectUri: 'https://xn--pple-43d.example/cb' })
  assert.match(
    redirect.text,
    /Access goes to xn--pple-43d\.example .* Look closely at the address\./
  )
  const client = await get(t, { client: { id: 'https://www.\u0430pple.example/c', name: null } })
  assert.match(
    client.text,
    /No name given Published at (www\.xn--pple-43d\.example) https:\/\/\1\/c .* Look closely at the address\./
  )
  assert.doesNotMatch(client.body, /\u0430/)
})

test('consent page: escapes all texts of clients and operators [N-11]', async (t) => {
  const marks = (body: string) =>
    [...body.replace(/^.*<\/style>/s, '')].filter(character => '<>"\''.includes(character)).length
  const page = (text: string) =>
    get(t, {
      client: { id: 'https://owl.example/c', name: text },
      sealed: text,
      action: text,
      provider: text,
      scopes: [text, 'tasks:read', '__proto__', 'constructor'],
      consent: { name: text, logoText: text, scopes: { 'tasks:read': text } }
    })
  const plain = await page('plain')
  assert.match(plain.text, / plain tasks:read __proto__ constructor This is/)
  for (
    const text of [
      '"><img src=x onerror=alert(1)>',
      "' autofocus onfocus='x",
      '</script><script>x</script>',
      '</title></style><b>',
      '<!--',
      '&lt;b&gt;',
      '{{7*7}} $' + '{x} !'
    ]
  ) {
    const { body, text: visible, headers } = await page(text)
    assert.deepEqual([marks(body), body.split('</style>').length], [marks(plain.body), 2], text)
    assert.ok(visible.includes(`“${text}” Unverified`), text)
    assert.equal(headers['content-security-policy'], plain.headers['content-security-policy'])
  }
})

test('consent page: headers forbid framing and scripts, and allow any form target [N-12 N-17 A-24]', async (t) => {
  const { headers, body } = await get(t)
  const [, style = ''] = /<style>(.*)<\/style>/s.exec(body) ?? []
  const hash = createHash('sha256').update(style).digest('base64')
  assert.equal(
    headers['content-security-policy'],
    `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; frame-ancestors 'none'`
  )
  assert.equal(headers['x-frame-options'], 'DENY')
  assert.equal(headers['referrer-policy'], 'no-referrer')
  assert.equal(headers['cache-control'], 'no-store')
  assert.equal(headers['content-type'], 'text/html; charset=utf-8')
  assert.doesNotMatch(body, /<script|<link|<img| style=| on\w+=/i)
})

test('consent page: the operator sets name, logo and scope meanings [CD-03]', async (t) => {
  const named = await get(t, {
    scopes: ['openid'],
    consent: { name: 'Owls & Co', logoText: '🦉', scopes: { openid: 'Know you' } }
  })
  assert.match(named.text, /^ 🦉 Allow access to Owls & Co\? .* Know you openid /)
  const unnamed = await get(t, { scopes: [], consent: {} })
  assert.match(
    unnamed.text,
    /Allow access to mcp\.example\? .* Use everything that mcp\.example offers, as you/
  )
})

test('consent page: the operator can render it [CD-03]', async (t) => {
  let received: ConsentDetails | undefined
  const render = async (details: ConsentDetails) => {
    received = details
    return `<form>${details.fields}</form>`
  }
  const { statusCode, headers, body } = await get(t, { consent: { ...basePage.consent, render } })
  assert.equal(statusCode, 200)
  assert.match(
    body,
    /^<form><input type="hidden" name="request" value="sealed-request"[^>]*><\/form>$/
  )
  assert.equal(headers['x-frame-options'], 'DENY')
  const { fields, nonce, ...details } = received as ConsentDetails
  assert.equal(
    headers['content-security-policy'],
    `default-src 'none'; style-src 'nonce-${nonce}'; base-uri 'none'; frame-ancestors 'none'`
  )
  await get(t, { consent: { ...basePage.consent, render } })
  assert.notEqual((received as ConsentDetails).nonce, nonce, 'each page has its own nonce')
  const { action, client, redirectUri, resource, provider } = basePage
  assert.deepEqual(details, {
    ...{ action, client, redirectUri, resource, provider },
    language: 'en',
    direction: 'ltr',
    tools: [],
    server: 'Tasks',
    scopes: [
      { name: 'openid', meaning: 'Recognise you when you come back' },
      { name: 'offline_access', meaning: 'Stay connected while you are away' },
      { name: 'tasks:read', meaning: 'Read your tasks' },
      { name: 'tasks:write', meaning: null }
    ]
  })
})

for (
  const [name, render] of Object.entries<() => unknown>({
    throws: () => {
      throw new Error('inside')
    },
    rejects: async () => {
      throw new Error('inside')
    },
    'returns no string': () => undefined
  })
) {
  test(`consent page: responds with a server error if the renderer ${name} [CD-03]`, async (t) => {
    const { statusCode, body } = await get(t, {
      consent: { render: render as NonNullable<ConsentConfig['render']> }
    })
    assert.deepEqual([statusCode, JSON.parse(body)], [500, {
      error: 'server_error',
      error_description: 'The server failed to process this request.'
    }])
  })
}

test('consent page: responds with a server error if the renderer takes 5 seconds [CD-03]', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const render = () =>
    new Promise<string>(() => {
      setImmediate(() => {
        t.mock.timers.tick(5_000)
      })
    })
  assert.equal((await get(t, { consent: { render } })).statusCode, 500)
})

test('consent page: without scopes it offers everything, and lists what the tools do', async (t) => {
  const tools = [
    { title: 'List <notes>', effect: 'reads', scopes: [] },
    { title: 'Add a note', effect: 'changes', scopes: [] },
    { title: 'Delete a note', effect: 'deletes', scopes: [] }
  ] as const
  const { body, text } = await get(t, { scopes: [], tools })
  assert.match(
    text,
    new RegExp(
      'Use everything that Tasks offers, as you Functions it can use: 3 ' +
        'List <notes> Only reads Add a note Makes changes Delete a note Can delete or overwrite This'
    )
  )
  assert.match(body, /<details><summary>Functions it can use: 3<\/summary>/)
  assert.doesNotMatch(body, /<notes>/)
})

test('consent page: lists a hundred tools, and how many there are beyond', async (t) => {
  const tool = { title: 'A tool', effect: 'reads', scopes: [] } as const
  const { text } = await get(t, { tools: Array(120).fill(tool) })
  assert.equal(text.split('A tool Only reads').length, 101)
  assert.match(text, /Functions it can use: 120 .* Not listed here: 20 /)
})

test('consent page: folds scopes beyond six, but never those that can do most', async (t) => {
  const scopes = ['a:1', 'b:1', 'c', 'd', 'a:2', 'e', 'f', 'g', 'offline_access']
  const { body } = await get(t, {
    scopes,
    tools: [
      { title: 'Read', effect: 'reads', scopes: ['e'] },
      { title: 'Write', effect: 'changes', scopes: ['f'] },
      { title: 'Delete', effect: 'deletes', scopes: ['g', 'f'] }
    ]
  })
  const [shown = '', more = ''] = body.split('<details>')
  const names = (html: string) =>
    [...html.matchAll(/<code>([\w:]+)<\/code>/g)].map(([, name]) => name)
  assert.deepEqual(names(shown), ['f', 'g', 'e', 'a:1', 'a:2', 'b:1'])
  assert.match(more, /^<summary>More permissions: 3<\/summary>/)
  assert.deepEqual(names(more), ['c', 'd', 'offline_access'])
  assert.doesNotMatch((await get(t, { scopes: scopes.slice(0, 6) })).body, /<details>/)
})

test('consent page: the keyboard reaches a long address, and no short one', async (t) => {
  const redirectUri = `https://owl.example/cb?x=${'y'.repeat(100)}`
  const { body } = await get(t, { redirectUri })
  assert.match(body, /<small tabindex="0" role="group" aria-label="Access goes to">https:/)
  assert.doesNotMatch((await get(t)).body, /tabindex/)
})

for (
  const [name, src, source] of [
    ['a path', '/logo.svg', "'self'"],
    ['a data: URL', 'data:image/svg+xml,%3Csvg/%3E', 'data:']
  ] as const
) {
  test(`consent page: shows a logo from ${name}, and the policy allows no other images`, async (t) => {
    const { body, headers } = await get(t, { consent: { name: 'A & B', logo: { src } } })
    assert.ok(body.includes(`<img class="logo-image" src="${src}" alt="A &#38; B">`))
    const policy = String(headers['content-security-policy'])
    assert.ok(policy.includes(`; img-src ${source}; base-uri 'none'; frame-ancestors 'none'`))
    const other = await get(t, { consent: { name: 'A', logo: { src, alt: 'Our logo' } } })
    assert.match(other.body, /alt="Our logo"/)
  })
}

test('consent page: has the accent colours of the operator, and the policy their style', async (t) => {
  const accentColor = { light: '#0b7a5f', dark: '#5fd4b3' }
  const { headers, body } = await get(t, { consent: { accentColor } })
  const [, style = ''] = /<style>(.*)<\/style>/s.exec(body) ?? []
  assert.match(
    style,
    /:root { --accent: #0b7a5f }\n@media .*dark.* { :root { --accent: #5fd4b3 } }/
  )
  const hash = createHash('sha256').update(style).digest('base64')
  assert.ok(String(headers['content-security-policy']).includes(`style-src 'sha256-${hash}'`))
})

test('consent page: is in the language of the reader, with the meanings of the operator', async (t) => {
  const app = serve(t, {
    ...basePage,
    consent: {
      ...basePage.consent,
      messages: {
        de: { consent: { allow: 'Zulassen' }, scopes: { 'tasks:write': 'Aufgaben ändern' } }
      }
    }
  })
  const read = async (language: string) =>
    await app.inject({ url: '/', headers: { 'accept-language': language } })
  const { body, headers } = await read('de-AT, en;q=0.5')
  assert.match(body, /<html lang="de" dir="ltr">.*<title>Zugriff auf Tasks erlauben\?<\/title>/s)
  assert.match(body, />Ablehnen<.*>Zulassen</s)
  assert.match(textOf(body), /„Night Owl“ .*Read your tasks tasks:read Aufgaben ändern tasks:write/)
  assert.equal(headers['content-language'], 'de')
  assert.equal(headers['vary'], 'Accept-Language')
  assert.equal(headers['cross-origin-opener-policy'], 'unsafe-none')
  const arabic = await read('ar')
  assert.match(arabic.body, /<html lang="ar" dir="rtl">/)
  assert.equal(arabic.headers['content-language'], 'ar')
})
