import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { temporaryFolder } from './daemon.ts'

/** mcp-remote, with messages over its standard input and output. */
export interface McpRemote {
  notify(method: string): void
  request(id: number, method: string, params: object): Promise<string>
}

/**
 * Starts mcp-remote until the test ends. Its processes and files are removed then.
 *
 * @param logIn receives the URLs that mcp-remote prints, in place of a browser
 */
export async function startMcpRemote (
  t: TestContext,
  url: string,
  options: readonly string[],
  env: Record<string, string> = {},
  logIn: (url: string) => Promise<unknown> = async () => {}
): Promise<McpRemote> {
  const script = createRequire(import.meta.url).resolve('mcp-remote/dist/proxy.js')
  const child = spawn(process.execPath, [script, url, ...options, '--allow-http'], {
    env: {
      ...process.env,
      BROWSER: process.platform === 'win32' ? '' : '/bin/true',
      MCP_REMOTE_CONFIG_DIR: await temporaryFolder(t),
      ...env
    }
  })
  const opened = new Set<string>()
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text
    for (const [, found = ''] of log.matchAll(/authorize this client by visiting:\s+(\S+)\s/g)) {
      if (opened.has(found)) continue
      opened.add(found)
      logIn(found).catch((error: unknown) => {
        child.kill('SIGKILL')
        t.diagnostic(String(error))
      })
    }
  })
  t.after(async () => {
    const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null
    child.kill('SIGKILL')
    await exited
  })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const send = (message: object) => {
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  }
  return {
    notify (method) {
      send({ method })
    },
    async request (id, method, params) {
      send({ id, method, params })
      for (let line = await lines.next(); !line.done; line = await lines.next()) {
        if (JSON.parse(line.value).id === id) return line.value
      }
      throw new Error(`mcp-remote ended before its response to ${method}: ${log}`)
    }
  }
}
