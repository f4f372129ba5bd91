import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ar } from '../../lib/pages/messages/ar.ts'
import { de } from '../../lib/pages/messages/de.ts'
import { en } from '../../lib/pages/messages/en.ts'
import { es } from '../../lib/pages/messages/es.ts'
import { fr } from '../../lib/pages/messages/fr.ts'
import { ja } from '../../lib/pages/messages/ja.ts'
import { pt } from '../../lib/pages/messages/pt.ts'
import { zh } from '../../lib/pages/messages/zh.ts'
import { fill, fillHtml, textsFor } from '../../lib/pages/texts.ts'

const folder = join(import.meta.dirname, '../../lib/pages/messages')
const languages = readdirSync(folder).map(name => name.replace('.ts', ''))

/** All texts of a table, by their names with dots. */
function flat (table: object, owner = ''): Map<string, string> {
  return new Map(
    Object.entries(table).flatMap(([name, value]) =>
      typeof value === 'string'
        ? [[owner + name, value] as const]
        : [...flat(value, `${owner}${name}.`)]
    )
  )
}

const tables: Record<string, object> = { ar, de, en, es, fr, ja, pt, zh }

const tableOf = (language: string) => flat(tables[language] ?? {})

/** The same in both languages. */
const alike = [
  'fr consent.clientName',
  'fr connected.client',
  'es errorPage.code'
]

const placeholdersOf = (text: string) => [...new Set(text.match(/\{\w+\}/g))].sort()
const english = flat(en)

test('the pages have eight languages', () => {
  assert.deepEqual(languages.sort(), ['ar', 'de', 'en', 'es', 'fr', 'ja', 'pt', 'zh'])
})

for (const language of languages) {
  test(`messages: ${language} has every text, with the same placeholders`, () => {
    const table = tableOf(language)
    assert.deepEqual([...table.keys()], [...english.keys()])
    for (const [name, text] of table) {
      // A title names the server already.
      const expected = placeholdersOf(english.get(name) ?? '')
      assert.deepEqual(placeholdersOf(text), expected, name)
      assert.equal(text, text.trim(), name)
      assert.doesNotMatch(text, /[<>&]/, `${name} is plain text`)
    }
  })

  test(`messages: ${language} is loaded for a reader, with its language and direction`, async () => {
    const texts = await textsFor(language, {})
    assert.equal(texts.language, language)
    assert.equal(texts.direction, language === 'ar' ? 'rtl' : 'ltr')
    assert.deepEqual(flat(texts.messages), tableOf(language))
  })
}

for (const language of languages.filter(name => name !== 'en')) {
  test(`messages: ${language} has no English text`, () => {
    const table = tableOf(language)
    const same = [...table].filter(([name, text]) => text === english.get(name))
      .map(([name]) => `${language} ${name}`)
      .filter(name => !name.endsWith('consent.quotedName'))
    assert.deepEqual(same, alike.filter(name => name.startsWith(language)))
  })
}

test('textsFor puts texts of the operator before ours, those of a region before those of its language', async () => {
  const consent = {
    messages: {
      de: { consent: { allow: 'Zulassen', deny: 'Nein' }, scopes: { 'notes:read': 'Lesen' } },
      'de-CH': { consent: { allow: 'Gestatten' } },
      it: { consent: { allow: 'Consenti' } }
    }
  }
  const swiss = (await textsFor('de-CH', consent)).messages
  assert.deepEqual([swiss.consent.allow, swiss.consent.deny], ['Gestatten', 'Nein'])
  assert.equal(swiss.scopes['notes:read'], 'Lesen')
  assert.equal(swiss.consent.clientName, 'Anwendung')
  assert.equal((await textsFor('de', consent)).messages.consent.allow, 'Zulassen')
  const italian = await textsFor('it-IT', consent)
  assert.deepEqual([italian.language, italian.messages.consent.allow], ['it', 'Consenti'])
  assert.equal(italian.messages.consent.deny, 'Deny', 'without a text: English')
  assert.equal((await textsFor('de', {})).messages.consent.allow, 'Erlauben', 'ours are unchanged')
})

test('fill replaces placeholders once, and leaves those without a value', () => {
  const text = '{a} {b} {constructor} {a}'
  assert.equal(fill(text, { a: '{b} $&', b: '2' }), '{b} $& 2 {constructor} {b} $&')
  assert.equal(fillHtml('<{a}>', { a: '<b>' }), '&#60;<b>&#62;')
})
