import Fastify from 'fastify'
import { createEvents } from '../../lib/host/events.ts'
import { createConfig, type Config, type ProviderConfig } from '../../lib/options/config.ts'
import { createProviderDiscovery } from '../../lib/provider/discovery.ts'
import { createBroker } from '../../lib/broker/broker.ts'
import { createRevocations } from '../../lib/store/revocations.ts'
import { createUrls } from '../../lib/urls.ts'
import { publicUrl, secret, providerClient } from './flow.ts'

// Runs as a process: a broker without a shared store, whose memory is filled with all entries that
// anonymous requests can cause.

const log = { debug () {}, info () {}, warn () {}, error () {} }
const issuer = 'https://id.example'
const config = createConfig(
  { issuer, ...providerClient, secret, setupProxies: true, publicUrl },
  '',
  log
) as Config & { provider: ProviderConfig }
const { marks } = await createBroker({
  config,
  discovery: createProviderDiscovery({ issuer }),
  urls: createUrls(config, Fastify().server),
  log,
  events: createEvents(config, log),
  revocations: createRevocations(config),
  catalog: () => [],
  tools: () => []
}, [])

for (const kind of ['consent', 'login', 'code', 'code-failure', 'replay']) {
  for (let index = 0; index < 100_000; index++) await marks.consume(kind, `${kind} ${index}`, 600)
}
// Entries of users who log in meanwhile.
for (let index = 0; index < 5_000; index++) {
  await marks.remember('refreshed', String(index), 'x'.repeat(6_000) + index, 30)
}
console.log(await marks.isConsumed('consent', 'consent 99999'))
