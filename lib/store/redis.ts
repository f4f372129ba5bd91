import { isLoopbackHost } from '../oauth/url.ts'
import type { Store } from '../types.ts'

/**
 * As much of an ioredis-compatible client as is needed: `Redis` and `Cluster` of ioredis and
 * iovalkey fit.
 */
export interface RedisClient {
  /** `'ready'` while commands go out at once. */
  readonly status?: string
  get(key: string): Promise<string | null>
  /** Asked for how the server treats keys when its memory is full. */
  info?(section: 'memory'): Promise<string>
  /** How it connects. */
  readonly options?: object
  set(key: string, value: string, unit: 'PX', milliseconds: number): Promise<unknown>
  set(
    key: string,
    value: string,
    unit: 'PX',
    milliseconds: number,
    condition: 'NX',
    answer: 'GET'
  ): Promise<string | null>
}

/** Settings of {@link redisStore}. */
export interface RedisStoreOptions {
  /**
   * Put in front of every key. Defaults to none: keys begin with `mcp-oauth:` and a hash of the
   * issuer as it is.
   */
  prefix?: string
}

/**
 * A store for several instances, in Redis 7 or later, or Valkey. Each method is one command on one
 * key, so it is atomic and fits a cluster; every key has an end. The client stays the caller's to
 * connect and to close.
 *
 * Rejects if the server refuses, or is not connected: the client's own queue, which keeps commands
 * until it is connected again, is never used. A client that connects lazily is woken by the first
 * command.
 */
export function redisStore (client: RedisClient, { prefix = '' }: RedisStoreOptions = {}): Store {
  async function ask<T> (command: () => Promise<T>): Promise<T> {
    if (!['ready', 'wait', undefined].includes(client.status)) {
      throw new Error('the store is not connected')
    }
    return await command()
  }

  return {
    // With GET the answer is what was there, so null is what says that the value was written.
    putIfAbsent: (key, value, ttl) =>
      ask(() => client.set(prefix + key, value, 'PX', millisecondsOf(ttl), 'NX', 'GET')),
    get: key => ask(() => client.get(prefix + key)),
    async put (key, value, ttl) {
      await ask(() => client.set(prefix + key, value, 'PX', millisecondsOf(ttl)))
    },
    async warnings () {
      const [, policy] =
        /maxmemory_policy:(\S+)/.exec(await ask(async () => await client.info?.('memory') ?? '')) ??
          []
      const { host, path, tls } = Object(client.options) as {
        host?: unknown
        path?: unknown
        tls?: unknown
      }
      return [
        ...(policy?.startsWith('allkeys-')
          ? [
            `Redis has the maxmemory-policy ${policy}: when its memory is full it forgets what was used and revoked. Set volatile-ttl or noeviction`
          ]
          : []),
        ...(typeof host === 'string' && !path && !tls && !isLoopbackHost(host)
          ? [
            'Redis is at another host, and the connection to it has no TLS: who listens sees when users come and go, and who meddles brings back what was used'
          ]
          : [])
      ]
    }
  }
}

/** Redis takes whole milliseconds, and none at all for an error. */
function millisecondsOf (ttl: number): number {
  return Math.max(1, Math.ceil(ttl * 1000))
}
