import assert from 'node:assert/strict'
import { test } from 'node:test'
import { maxLogoUrlChars } from '../../lib/limits.ts'
import type { ConsentConfig } from '../../lib/options/consent.ts'
import { optionProblems } from '../../lib/options/rules.ts'

const issuer = 'https://id.example'
const proxies = { issuer, setupProxies: true, clientId: 'server', clientSecret: 'canary' }
const problemsOf = (consent: unknown) => optionProblems({ ...proxies, consent }, false)

const aLogo = "a path on this origin such as '/logo.svg', or a data: URL of an image, of at most " +
  `${maxLogoUrlChars} characters`
const accent = { light: '#1d4ed8', dark: '#93b4ff' }
const dark = `data:image/png;base64,${'A'.repeat(maxLogoUrlChars)}`

for (
  const consent of [
    { logo: { src: '/logo.svg' } },
    { logo: { src: '/assets/logo.png?v=2', alt: '' } },
    { logo: { src: 'data:image/svg+xml,%3Csvg/%3E', alt: 'Notes' } },
    { accentColor: accent },
    { accentColor: { light: '#000000', dark: '#FFFFFF' } },
    { tools: false },
    { messages: {} },
    { messages: { de: {}, 'pt-BR': { consent: { title: '{server}?' } } } },
    { messages: { 'zh-Hant': { scopes: { 'notes:read': '{x}' } } } },
    { messages: { de: { errors: { broken: { title: 'Kaputt' } } } } },
    { renderError: () => '' },
    { name: undefined, logo: undefined, accentColor: undefined, messages: undefined }
  ] satisfies ConsentConfig[]
) {
  test(`consent takes ${JSON.stringify(consent)}`, () => {
    assert.deepEqual(problemsOf(consent), [])
  })
}

for (
  const [consent, problem] of [
    ...[
      'logo.svg',
      '//cdn.example/logo.svg',
      '/\\cdn.example/logo.svg',
      'https://cdn.example/logo.svg',
      'javascript:alert(1)',
      'data:text/html,x',
      '/logo.svg onerror=x'
    ].map(src => [
      { logo: { src } },
      `consent.logo.src: ${JSON.stringify(src)} is given. Give ${aLogo}`
    ]),
    [
      { logo: { src: dark } },
      `consent.logo.src: ${JSON.stringify(dark.slice(0, 200))} is given. Give ${aLogo}`
    ],
    [{ logo: {} }, `consent.logo.src: missing. Give ${aLogo}`],
    [
      { accentColor: { ...accent, light: 'navy' } },
      'consent.accentColor.light: "navy" is given. Give a colour such as \'#1d4ed8\''
    ],
    [
      { accentColor: { ...accent, light: '#ffcc00' } },
      'consent.accentColor.light: "#ffcc00" has a contrast of 1.5 to the text on it, which is ' +
      '#ffffff in the light colour scheme, and 4.5 is required. Choose a darker colour'
    ],
    [
      { accentColor: { ...accent, dark: '#1d4ed8' } },
      'consent.accentColor.dark: "#1d4ed8" has a contrast of 2.5 to the text on it, which is ' +
      '#1a1d21 in the dark colour scheme, and 4.5 is required. Choose a lighter colour'
    ],
    [
      { accentColor: { light: '#1d4ed8' } },
      "consent.accentColor.dark: missing. Give a colour such as '#1d4ed8'"
    ],
    [
      { messages: { german: {} } },
      "consent.messages: has \"german\", which is no language. Use a tag such as 'de' or 'pt-BR'"
    ],
    [
      { messages: { 'pt-br': {} } },
      "consent.messages: has \"pt-br\", which is no language. Use a tag such as 'de' or 'pt-BR'"
    ],
    [
      { messages: { de: { consent: { title: 'Zugriff auf {name}?' } } } },
      'consent.messages.de.consent.title: "Zugriff auf {name}?" has the unknown placeholder {name}. ' +
      'Use {server}'
    ],
    [
      { messages: { de: { consent: { allow: '{server} erlauben' } } } },
      'consent.messages.de.consent.allow: "{server} erlauben" has the unknown placeholder {server}. ' +
      'It has none'
    ],
    [
      { messages: { de: { consent: { alow: 'Ja' } } } },
      'consent.messages.de.consent.alow: there is no such option. See docs/options.md for those ' +
      'there are'
    ],
    [
      { messages: { de: { consent: { allow: '' } } } },
      'consent.messages.de.consent.allow: an empty string is given. Give a string that is not ' +
      'empty'
    ],
    [{ renderError: 'x' }, 'consent.renderError: "x" is given. Give a function']
  ] as Array<[object, string]>
) {
  test(`consent refuses ${JSON.stringify(consent).slice(0, 80)}`, () => {
    assert.deepEqual(problemsOf(consent), [problem])
  })
}
