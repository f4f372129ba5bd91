import { echoCall, rpc } from './frame/calls.ts'
import type { Contenders } from './frame/slices.ts'

// The contenders of `npm run bench`, by title. The first one of each is what others are compared
// with.

const ours = (way: string, guard: string, ...more: string[]) => ({
  file: 'ours',
  arguments: [way, guard, ...more]
})
const call = echoCall()
const modernCall = echoCall('modern')
const list = { ...rpc('legacy', 'tools/list'), expected: '"tool-999"' }
const modernList = { ...rpc('modern', 'tools/list'), expected: '"tool-999"' }

export const plans: Record<string, Contenders> = {
  'tools/call with a token that was seen before (peers verify it each time)': {
    'SDK 1.x on Express, as documented': { file: 'express', call },
    'SDK 2.x on Fastify': { file: 'sdk2', arguments: ['guard'], call: modernCall },
    'mcp.handler (SDK 2.x), modern client': { ...ours('handler', 'known'), call: modernCall },
    'mcp.server, a function': { ...ours('per-request', 'known'), call },
    'mcp.tools': { ...ours('tools', 'known'), call },
    'mcp.tools, modern client': { ...ours('tools', 'known'), call: modernCall },
    'mcp.server': { ...ours('server', 'known'), call },
    'mcp.server, modern client': { ...ours('server', 'known'), call: modernCall },
    'floor: a Fastify route with the same response': { file: 'floor', call }
  },
  'mcp.handler and the same handler on bare Fastify, without a guard': {
    'bare Fastify': { file: 'sdk2', call: modernCall },
    'mcp.handler': { ...ours('handler', 'none'), call: modernCall }
  },
  'the guard, on mcp.server': {
    'no guard': { ...ours('server', 'none'), call },
    'a token that was seen before': { ...ours('server', 'known'), call },
    'a new token each time': { ...ours('server', 'unknown'), call }
  },
  'tools/list of 1,001 tools': {
    'mcp.server, a call': { ...ours('server', 'known', '1000'), call },
    'mcp.server, the list': { ...ours('server', 'known', '1000'), call: list },
    'mcp.server, the list for a modern client': {
      ...ours('server', 'known', '1000'),
      call: modernList
    }
  },
  'tools/list of 1,001 routes': {
    'mcp.tools, a call': { ...ours('tools', 'known', '1000'), call },
    'mcp.tools, the list': { ...ours('tools', 'known', '1000'), call: list },
    'mcp.tools, the list for a modern client': {
      ...ours('tools', 'known', '1000'),
      call: modernList
    }
  }
}
