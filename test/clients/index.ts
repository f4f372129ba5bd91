import { aiSdk1 } from './ai-sdk-1.ts'
import { aiSdk } from './ai-sdk.ts'
import { chatgpt } from './chatgpt.ts'
import { claudeAi } from './claude-ai.ts'
import { claudeCode } from './claude-code.ts'
import { claudeDesktop } from './claude-desktop.ts'
import type { ClientFacts } from './client.ts'
import { cline } from './cline.ts'
import { codex } from './codex.ts'
import { copilotCli } from './copilot-cli.ts'
import { cursor } from './cursor.ts'
import { geminiCli } from './gemini-cli.ts'
import { goose } from './goose.ts'
import { inspector } from './inspector.ts'
import { kiro } from './kiro.ts'
import { langchain } from './langchain.ts'
import { librechat } from './librechat.ts'
import { mastra } from './mastra.ts'
import { mcpRemote } from './mcp-remote.ts'
import { mcporter } from './mcporter.ts'
import { n8n } from './n8n.ts'
import { openaiAgents } from './openai-agents.ts'
import { opencodeCore } from './opencode-core.ts'
import { opencode } from './opencode.ts'
import { pythonSdk } from './python-sdk.ts'
import { rustSdk } from './rust-sdk.ts'
import { sdk1 } from './sdk-1.ts'
import { sdk2Legacy } from './sdk-2-legacy.ts'
import { sdk2Modern } from './sdk-2-modern.ts'
import { vscode } from './vscode.ts'
import { warp } from './warp.ts'
import { windsurf } from './windsurf.ts'
import { zed } from './zed.ts'

/** All clients, by the names of their files. */
export const clients: Readonly<Record<string, ClientFacts>> = {
  'claude-ai': claudeAi,
  'claude-desktop': claudeDesktop,
  'claude-code': claudeCode,
  chatgpt,
  codex,
  cursor,
  vscode,
  'copilot-cli': copilotCli,
  cline,
  'gemini-cli': geminiCli,
  opencode,
  'opencode-core': opencodeCore,
  windsurf,
  kiro,
  warp,
  zed,
  goose,
  librechat,
  n8n,
  'mcp-remote': mcpRemote,
  mcporter,
  inspector,
  'sdk-1': sdk1,
  'sdk-2-legacy': sdk2Legacy,
  'sdk-2-modern': sdk2Modern,
  'ai-sdk': aiSdk,
  'ai-sdk-1': aiSdk1,
  langchain,
  'openai-agents': openaiAgents,
  mastra,
  'python-sdk': pythonSdk,
  'rust-sdk': rustSdk
}
