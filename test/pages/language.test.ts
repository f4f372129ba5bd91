import assert from 'node:assert/strict'
import { test } from 'node:test'
import { directionOf, pickLanguage } from '../../lib/pages/language.ts'

const ours = ['en', 'de', 'fr', 'es', 'pt', 'ja', 'zh', 'ar']

for (
  const [accepted, expected, available = ours] of [
    [undefined, 'en'],
    ['', 'en'],
    ['de', 'de'],
    ['DE', 'de'],
    ['de-AT', 'de'],
    ['de-Latn-AT-1901', 'de'],
    ['pt-BR,pt;q=0.9,en-US;q=0.8', 'pt'],
    ['nl,it;q=0.9', 'en'],
    ['nl, fr;q=0.3, es;q=0.4', 'es'],
    ['en;q=0.1, ar;q=0.1', 'en'],
    ['ja ; q=1.0 , en', 'ja'],
    ['de;q=0, *', 'en'],
    ['de-AT;q=0, de', 'de'],
    ['en;q=0, *;q=0.5', 'de'],
    ['fr;q=0.2, *;q=0.5', 'en'],
    ['zh-CN', 'zh'],
    ['zh-TW,zh;q=0.9,en;q=0.8', 'zh'],
    ['zh-Hant-HK,en;q=0.5', 'en'],
    ['zh-Hant', 'zh'],
    ['zh-TW', 'zh-Hant', [...ours, 'zh-Hant']],
    ['zh', 'zh', ['en', 'zh-Hant', 'zh']],
    ['de-AT', 'de-AT', [...ours, 'de-AT']],
    ['de-DE', 'de', [...ours, 'de-AT']],
    // Malformed entries are left out.
    ['de;q=2, de;q=-1, de;q=x, de;q, de_AT, de-, -, a, 😀, fr', 'fr'],
    [`${'x-y,'.repeat(50_000)}de`, 'en']
  ] as Array<[string | undefined, string, string[]?]>
) {
  const shown = accepted === undefined ? 'no header' : `"${accepted.slice(0, 40)}"`
  const more = available === ours ? '' : ` of ${available.join(' ')}`
  test(`pickLanguage finds ${expected}${more} for ${shown}`, () => {
    assert.equal(pickLanguage(accepted, available), expected)
  })
}

for (
  const [tag, direction] of Object.entries({
    en: 'ltr',
    ja: 'ltr',
    ar: 'rtl',
    he: 'rtl',
    fa: 'rtl',
    'az-Arab': 'rtl',
    'ar-Latn': 'ltr'
  })
) {
  test(`directionOf is ${direction} for ${tag}`, () => {
    assert.equal(directionOf(tag), direction)
  })
}
