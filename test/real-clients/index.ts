import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Observed } from './observe.ts'

// Which clients are run for real, and in which version?

/** The package of each client, by the name of its facts. */
const packages: Readonly<Record<string, string>> = {
  'sdk-1': '@modelcontextprotocol/sdk',
  'sdk-2-legacy': '@modelcontextprotocol/client',
  'sdk-2-modern': '@modelcontextprotocol/client',
  'ai-sdk': '@ai-sdk/mcp',
  'ai-sdk-1': '@ai-sdk/mcp-1',
  langchain: '@langchain/mcp-adapters',
  'openai-agents': '@openai/agents-core',
  mastra: '@mastra/mcp',
  'mcp-remote': 'mcp-remote',
  mcporter: 'mcporter',
  inspector: '@modelcontextprotocol/inspector',
  'gemini-cli': '@google/gemini-cli-core',
  opencode: 'opencode-linux-x64',
  codex: '@openai/codex-linux-x64',
  'claude-code': '@anthropic-ai/claude-code-linux-x64'
}

/** Observations that the facts of a client have no member for. */
export const beyondFacts: Readonly<Record<string, Observed>> = {
  // With resource metadata it registers nowhere unless there is server metadata.
  codex: { 'registration without server metadata': 'none' },
  // It looks for the registration endpoint a second time, at the origin.
  'gemini-cli': {
    'URLs of metadata': '/.well-known/oauth-protected-resource/v1/mcp ' +
      '/.well-known/oauth-authorization-server/v1 /.well-known/oauth-authorization-server'
  }
}

/** Versions of the clients that real-clients.test.ts runs, by the names of their facts. */
export function realVersions (): Readonly<Record<string, string>> {
  const lock = JSON.parse(
    readFileSync(join(import.meta.dirname, 'package-lock.json'), 'utf8')
  ) as { packages: Record<string, { version: string }> }
  return Object.fromEntries(
    Object.entries(packages).map(([id, name]) => [
      id,
      // Codex has a version for each platform.
      String(lock.packages[`node_modules/${name}`]?.version).replace(/-linux-x64$/, '')
    ])
  )
}

/** Whether a client is installed in this folder: some have packages for one platform only. */
export function isInstalled (id: string, folder: string): boolean {
  return existsSync(join(folder, 'node_modules', packages[id] ?? '', 'package.json'))
}
