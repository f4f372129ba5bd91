/** How are marks stored in Redis or Valkey, for several instances? */
import { startupError } from '../errors.ts'
import { isLoopbackHost } from '../oauth/url.ts'
import type { Store, StoreIndex } from '../types.ts'

/**
 * The part of an ioredis-compatible client that is used. `Redis` and `Cluster` of ioredis and
 * iovalkey fit.
 */
export interface RedisClient {
  /** `'ready'` while commands are sent at once. */
  readonly status?: string
  get(key: string): Promise<string | null>
  /** Called at start-up, for the eviction policy of the server. */
  info?(section: 'memory'): Promise<string>
  /** Runs a script. Without it, each instance limits rates alone. */
  eval?(script: string, keys: 1, key: string, milliseconds: number): Promise<unknown>
  /** Connection options, read at start-up. */
  readonly options?: object
  set(key: string, value: string, unit: 'PX', milliseconds: number): Promise<unknown>
  set(
    key: string,
    value: string,
    unit: 'PX',
    milliseconds: number,
    condition: 'NX',
    returns: 'GET'
  ): Promise<string | null>
  /** For the option `grantIndex`. */
  eval?(script: string, keys: 1, key: string, ...args: string[]): Promise<unknown>
}

/** A counter must not stay without an end, so the two commands are one. */
const increment = `local sum = redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return sum`

/** Settings of {@link redisStore}. */
export interface RedisStoreOptions {
  /**
   * Prefix of every key. Defaults to none: keys begin with `mcp-oauth:` and a hash of the issuer
   * anyway.
   */
  prefix?: string
}

/**
 * Creates a store for several instances, in Redis 7 or later, or Valkey. The caller connects and
 * closes the client.
 *
 * Each method is one command on one key, so it is atomic and works in a cluster. Every key expires.
 * Methods reject while the client is not connected: its offline queue is never used. The first
 * command connects a lazy client.
 *
 * @throws {McpOAuthError} `invalidOptions` for a URL, or a client of another kind
 * @example
 * await app.register(mcpOAuth, { ...options, store: redisStore(new Redis(process.env.REDIS_URL)) })
 */
export function redisStore (client: RedisClient, { prefix = '' }: RedisStoreOptions = {}): Store {
  // `set` of node-redis ignores the expiry in our arguments.
  if (typeof Object(client).set !== 'function' || 'isOpen' in client) {
    const problem = 'redisStore: is not given a client of ioredis or iovalkey. Give new Redis(url)'
    throw startupError('invalidOptions', problem)
  }
  async function send<T> (command: () => Promise<T>): Promise<T> {
    if (!['ready', 'wait', undefined].includes(client.status)) {
      throw new Error('the store is not connected')
    }
    return await command()
  }

  return {
    system: 'redis',
    // With GET the reply is the previous value, so null means that the value was written.
    putIfAbsent: (key, value, ttl) =>
      send(() => client.set(prefix + key, value, 'PX', millisecondsOf(ttl), 'NX', 'GET')),
    get: key => send(() => client.get(prefix + key)),
    async put (key, value, ttl) {
      await send(() => client.set(prefix + key, value, 'PX', millisecondsOf(ttl)))
    },
    ...client.eval && {
      increment: async (key, ttl) =>
        Number(
          await send(async () => client.eval?.(increment, 1, prefix + key, millisecondsOf(ttl)))
        )
    },
    async warnings () {
      // An ACL may forbid the command, which nothing else needs.
      const info = await send(async () => await client.info?.('memory') ?? '').catch(() => '')
      const [, policy] = /maxmemory_policy:(\S+)/.exec(info) ?? []
      const { host, path, tls }: Record<string, unknown> = Object(client.options)
      const warnings: string[] = []
      if (policy?.startsWith('allkeys-')) {
        warnings.push(
          `Redis has the maxmemory-policy ${policy}: when its memory is full, it drops marks of ` +
            'used codes and revoked tokens. Set volatile-ttl or noeviction'
        )
      }
      if (typeof host === 'string' && !path && !tls && !isLoopbackHost(host)) {
        warnings.push(
          'The connection to Redis is not encrypted. An attacker on the network can observe ' +
            'logins and replay used tokens. Use TLS (rediss://)'
        )
      }
      return warnings
    },
    ...(client.eval && {
      index: indexOf(async (script, set, ...args) =>
        await send(async () =>
          await client.eval?.(scripts[script], 1, prefix + set, ...args.map(String))
        )
      )
    })
  }
}

/** One command each: no set remains without an expiry, whatever happens to the connection. */
const scripts = {
  add: `redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
if last then redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', last + 1)) end`,
  remove: "redis.call('ZREM', KEYS[1], ARGV[1])",
  list: "return redis.call('ZRANGE', KEYS[1], ARGV[1], '-inf', 'BYSCORE', 'REV', " +
    "'LIMIT', 0, ARGV[2], 'WITHSCORES')"
}

function indexOf (
  run: (script: keyof typeof scripts, set: string, ...args: unknown[]) => Promise<unknown>
): StoreIndex {
  return {
    async add (set, member, expiresAt) {
      await run('add', set, expiresAt, member, Date.now())
    },
    async remove (set, member) {
      await run('remove', set, member)
    },
    async list (set, before, count) {
      const after = before === Infinity ? '+inf' : `(${before}`
      const reply = await run('list', set, after, count) as string[]
      // Members and their times in turn.
      return reply.flatMap((member, at) => at % 2 ? [] : [[member, Number(reply[at + 1])] as const])
    }
  }
}

/** Redis takes whole milliseconds, at least one. */
function millisecondsOf (ttl: number): number {
  return Math.max(1, Math.ceil(ttl * 1000))
}
