import assert from 'node:assert/strict'
import { before, suite, test } from 'node:test'
import ts from 'typescript'
import { OptionsSchema } from '../../lib/options/schema.ts'

const names = Object.keys(OptionsSchema.properties)

/** A file of a user, below this folder. It exists in memory only. */
const file = `${import.meta.dirname}/hovered.ts`
const source = `
import { mcpOAuth, type McpOAuthOptions } from '../../lib/index.ts'
export const given: McpOAuthOptions = { issuer: 'https://id.example', dpop: 'require' }
export const register = (options: McpOAuthOptions) => [mcpOAuth, ${
  names.map(name => `options.${name}`).join(', ')
}]
`

suite('an editor', () => {
  let service: ts.LanguageService

  before(() => {
    const config = ts.readConfigFile(`${import.meta.dirname}/../../tsconfig.json`, ts.sys.readFile)
    const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, import.meta.dirname)
    const text = (name: string) => name === file ? source : ts.sys.readFile(name)
    service = ts.createLanguageService({
      ...ts.sys,
      getCompilationSettings: () => ({ ...options, noEmit: true }),
      getScriptFileNames: () => [file],
      getScriptVersion: () => '1',
      getScriptSnapshot: name => ts.ScriptSnapshot.fromString(text(name) ?? ''),
      useCaseSensitiveFileNames: () => ts.sys.useCaseSensitiveFileNames,
      getCurrentDirectory: () => import.meta.dirname,
      getDefaultLibFileName: ts.getDefaultLibFilePath,
      readFile: text,
      fileExists: name => name === file || ts.sys.fileExists(name)
    })
  })

  /** The text and the documentation of a hover over the last letter of a fragment. */
  function hover (fragment: string) {
    const info = service.getQuickInfoAtPosition(
      file,
      source.indexOf(fragment) + fragment.length - 1
    )
    return {
      text: ts.displayPartsToString(info?.displayParts),
      documentation: ts.displayPartsToString(info?.documentation)
    }
  }

  test('shows the options of the plugin by name', () => {
    assert.equal(hover('const given').text, 'const given: McpOAuthOptions')
    assert.match(hover('[mcpOAuth').text, /FastifyPluginAsync<McpOAuthOptions\b/)
    const { text, documentation } = hover('(options: McpOAuthOptions')
    assert.match(text, /^\(alias\) type McpOAuthOptions = /)
    assert.ok(text.length < 200, `the hover has ${text.length} characters: ${text}`)
    assert.match(documentation, /^Options of `app\.register\(mcpOAuth, options\)`\.$/)
  })

  test('shows the type and the documentation of an option that is given', () => {
    const { text, documentation } = hover('dpop')
    assert.match(text, /dpop\?: "off" \| "accept" \| "require"/)
    assert.match(documentation, /^Sender-constrained access tokens \(DPoP, RFC 9449\)/)
  })

  test('shows one documentation for each option', () => {
    for (const name of names) {
      const { documentation } = hover(`options.${name}`)
      assert.match(documentation, /\.$/, `${name} has no documentation: ${documentation}`)
      const [first = ''] = documentation.split('\n')
      assert.equal(documentation.split(first).length, 2, `${name} repeats its documentation`)
    }
  })
})
