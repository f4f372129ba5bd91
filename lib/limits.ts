/**
 * Every timeout, lifetime, size and tolerance of this package: one line, one unit, one reason.
 * Names end in their unit: `Ms` (milliseconds), `Seconds`, `Bytes`, `Chars`; counts have none.
 * `test/limits.test.ts` states which limit must exceed which.
 */

// Requests of ours to others: lib/http
/** One request, from connection to body, and its connection alone: logins wait for it. */
export const requestTimeoutMs = 5_000
export const connectTimeoutMs = 5_000
/** Connections to each origin: more than all limiters admit, with token requests that go on. */
export const maxConnections = 1_000
/** Metadata and key sets have some kilobytes, and brackets cost more to parse than other text. */
export const maxResponseBytes = 524_288
export const maxResponseBrackets = 10_000
/** A client metadata document (CIMD: 5 kB), and one of two attempts to resolve its host. */
export const maxDocumentBytes = 5_120
export const dnsTimeoutMs = 1_500
/** The JWK set of a client: twenty RSA keys, with a certificate each. */
export const maxClientKeySetBytes = 65_536
/** Documents that are requested at once, and as many wait: of all hosts, and of one of them. */
export const maxDocumentRequests = 100
export const maxHostDocumentRequests = 5
/** Longest pause after failed loads: an outage costs few requests. */
export const maxRetryBackoffSeconds = 60
/** Pause between loads that callers cause, with unknown key ids, and that ID tokens cause. */
export const refreshCooldownSeconds = 30
export const idTokenCooldownSeconds = 5
/** Wait for a slot of a limiter: a caller gives up at about this time, too. */
export const queueTimeoutMs = 5_000
// Requests to our OAuth endpoints: lib/host
/** A registration with many redirect URIs and keys fits; larger bodies cost memory for nothing. */
export const maxOAuthBodyBytes = 64 * 1024
/** Rate limits: an office or hosted client with one address sends less, a flood more. */
export const rateLimitWindowMs = 60_000
export const requestsPerWindow = 3_000
/** Addresses that are counted at once: about 4 MB. */
export const maxCountedAddresses = 20_000
/** Wait for running requests when the app closes: many process managers kill after 10 to 30 s. */
export const closeTimeoutSeconds = 10
/** Longest wait: `closeTimeout` is not in milliseconds. */
export const maxCloseTimeoutSeconds = 3600
/** Foreign values of `Host` that the log warns of. */
export const maxToldHosts = 5
/** Requests with invalid tokens that one address sends in a minute before the log has a warning. */
export const manyInvalidTokens = 100
/** Logins that go on to the provider, and do not come back, before the log has a warning. */
export const manyLostLogins = 3
/** The last of them has as long to come back. */
export const lostLoginMs = 120_000
/** A command of the store that takes longer is worth a warning: a login needs several. */
export const storeSlowMs = 400
/** Between two warnings of a slow provider or store. */
export const slowWarningMs = 60_000
/** Pause between looks at running requests and idle connections while the app closes. */
export const closePollMs = 100
// The identity provider: lib/provider
/** Discovery of the metadata, and the lookup of a user by a preset, with all their requests. */
export const discoveryTimeoutMs = 5_000
export const lookUpTimeoutMs = 5_000
/** A token request. Clients leave earlier, but its answer counts: the old token may be spent. */
export const tokenRequestMs = 30_000
/** Longest `Retry-After` of a provider that clients are told, too. */
export const maxRetryAfterSeconds = 120
/** Provider metadata are loaded again after this time; while that fails, they are used longer. */
export const metadataFreshSeconds = 600
export const metadataStaleSeconds = 86_400
/** Requests of logins that run at once, so that we do not overload the provider, and that wait. */
export const maxProviderRequests = 50
export const maxQueuedProviderRequests = 200
// The store: lib/store
/** One operation: a store in the same network responds within milliseconds. */
export const storeTimeoutMs = 1_000
/** The start waits this long for a store. The check of the secrets goes on after that. */
export const storeCheckMs = 2_500
/** Failures in a row that open the circuit breaker, and the time until it probes again. */
export const storeFailureThreshold = 5
export const storeResetTimeoutMs = 1_000
/** For a probe that another operation sent: a store that is back responds sooner. */
export const storeProbeWaitMs = 100
/** A revoked grant is rejected everywhere within this time; grants in that cache: about 1 MB. */
export const revocationCacheMs = 1_000
export const revocationCacheSize = 10_000
/** Instances remember that there was a revocation of many tokens, and look for more of them. */
export const revocationSeenSeconds = 315_360_000
/** Entries of a store in memory by default, and their average size: sealed values are larger. */
export const memoryStoreEntries = 10_000
export const memoryStoreCharsPerEntry = 400
// Parameters and metadata (RFC 6749, RFC 7591): lib/oauth
/** Longest URL anywhere: browsers and servers commonly accept at least this much. */
export const maxUrlChars = 2_048
/** A query or form: the longest parameters, room for unknown ones, and their number. */
export const maxFormChars = 65_536
export const maxParameters = 50
/** Longest `state`, which is returned in a URL, and `scope`, and scopes in one. */
export const maxStateChars = 2_048
export const maxScopeChars = 2_048
export const maxScopes = 100
/** Longest access token: servers commonly accept 8 kB of headers. */
export const maxTokenChars = 8_192
/** Issuer, client, times and signature in a token of ours. */
export const tokenReserveChars = 1_500
/** Longest code or refresh token of ours, and lifetime of a token of a provider. */
export const maxGrantChars = 16_384
export const maxExpiresInSeconds = 1e9
/** Client assertions are for immediate use; clocks may differ; their `jti` are random values. */
export const assertionSeconds = 300
export const assertionSkewSeconds = 30
export const maxAssertionIdChars = 512
/** Longest life of identity assertions, which are for one exchange, and of tokens of workloads. */
export const identityAssertionSeconds = 3_600
export const workloadTokenSeconds = 86_400
/** Entries of `trustedIssuers` and `workloads`, each with keys in memory, and claims of one. */
export const maxTrustedIssuers = 100
export const maxWorkloadClaims = 20
export const maxClaimPatternChars = 512
/** Actors that one token names: more than agents that call each other, and bounded for readers. */
export const maxActors = 5
/** Redirect URIs, keys and name of a client: its id carries them and has to fit into a URL. */
export const maxRedirectUris = 10
export const maxRedirectUriChars = 4_096
export const maxClientKeys = 20
export const maxClientNameChars = 100
/** Shorter RSA keys are insecure (RFC 7518 §3.3), longer ones are slow to verify with. */
export const minRsaBits = 2_048
export const maxRsaBits = 4_096
/** Clocks of two instances may differ by this much when one reads a token of the other. */
export const tokenSkewSeconds = 30
// Options: lib/options
/** Problems that one message lists, and the longest name for which others are suggested. */
export const maxOptionProblems = 50
export const maxComparedChars = 40
/** Shortest `secret`, 128 bits in hexadecimal, also compressed, where random digits have 27. */
export const minSecretChars = 32
export const minCompressedSecretBytes = 24
/** Longest id of a listed client: it travels in URLs, codes and tokens. */
export const maxListedClientIdChars = 400
/** Longest name of a client or server, and text in place of a logo, on the consent page. */
export const maxDisplayNameChars = 100
export const maxLogoChars = 8
/** Longest URL of a logo: a data: URL is part of each page. Least contrast: WCAG 2.2 §1.4.3. */
export const maxLogoUrlChars = 65_536
export const minTextContrast = 4.5
/** Secrets or keys of a listed client: two are enough to rotate, and each is tried in turn. */
export const maxClientProofs = 10
/** Default of `mcp.bodyLimit`: MCP requests with inlined files exceed the 1 MiB of Fastify. */
export const mcpBodyBytes = 4 * 1024 * 1024
/** Default of `mcp.tools.answerLimit`: models read far less, and each call may hold this much. */
export const answerBytes = 4 * 1024 * 1024
// Clients and their metadata documents: lib/clients
/** Expiry sealed into client ids. Only version 0.1.0 enforces it; it dates a registration. */
export const registrationSeconds = 90 * 24 * 3600
/** A document whose server sets no lifetime is fetched again within minutes, any other in a day. */
export const documentSeconds = 300
export const maxDocumentSeconds = 86_400
/** A document that failed is not fetched again meanwhile: less than a user needs to retry. */
export const failedDocumentSeconds = 30
/** A failure takes at least this long, so that its time does not tell which hosts exist. */
export const minDocumentFailureMs = 200
/** The token endpoint waits no longer for a document that was valid at the login. */
export const documentRecheckMs = 1_000
/** Documents in memory, and failures beside them. */
export const maxDocuments = 1_000
// Logins and pages: lib/broker/endpoints, lib/pages
/** The consent page, and after it the login at the provider, by clocks that differ. */
export const loginSeconds = 600
export const loginSkewSeconds = 30
/** A sealed request travels on in a cookie with a little more, and browsers drop 4,096 and over. */
export const maxSealedRequestChars = 3_800
/** The reason of a failure in the log: its errors, and their characters. */
export const maxReasons = 5
export const maxReasonChars = 500
/** A dependency works again after this time without a failure. */
export const conditionSettleMs = 1_000
/** Longest name of a tool in an event. */
export const maxToldNameChars = 128
/** Reasons that are told of while one dependency fails. */
export const maxToldReasons = 5
/** Longest client id that a login carries along for its events: cookies are small. */
export const maxNamedClientChars = 128
/** Longest authorization code of a provider: ours carries it inside. */
export const maxProviderCodeChars = 4_096
/** Logins in progress per browser, and their cookies: servers allow 8 kB for all headers. */
export const maxLoginCookies = 5
export const maxLoginCookieBytes = 6 * 1024
/** The consent form: a sealed request and a decision. */
export const maxConsentFormBytes = 32 * 1024
/** The operator's renderer of a page. */
export const pageRenderMs = 5_000
/** Longest `Accept-Language` that is read, and request id that a page shows. */
export const maxAcceptLanguageChars = 500
export const maxReferenceChars = 100
/** Scopes that a page shows unfolded, and tools that it lists. */
export const maxShownScopes = 6
export const maxShownTools = 100
// Tokens of the broker: lib/broker
/** From the redirect to the token request; an access token, unless the provider's is shorter. */
export const codeSeconds = 60
export const accessTokenSeconds = 3600
/** A refresh token that is not used, and all of a login: users log in again once in a while. */
export const refreshTokenSeconds = 30 * 24 * 3600
export const refreshAbsoluteSeconds = 90 * 24 * 3600
/** Copies of a refresh token work for this long after its successor is used: laptops sleep. */
export const refreshGraceSeconds = 600
/** A copy gets an access token that lives at least this long. */
export const minAnswerSeconds = 60
/** Tokens of a grant whose first use is known, and values in memory that the store did not take. */
export const maxUses = 50
export const maxUnsavedValues = 1_000
/** Wrong code verifiers after which a code is invalid. */
export const maxCodeFailures = 5
/** Redemptions and refreshes have a lease: an instance that is killed is replaced in seconds. */
export const leaseSeconds = 3
export const leasePollMs = 100
export const leaseWaitMs = 4_000
/** Writes that must not be lost: until the breaker resets, then each second. And a connection. */
export const storeWriteDelaysMs = [100, 1_200]
export const storeConnectDelaysMs = [100, 400, 700]
export const lateWriteDelaysMs = Array<number>(900).fill(1_000)
/** A refresh token that got a 5xx counts as a copy for this long. */
export const refusedTokenMs = 3_600_000
/** The secrets of the last instance are remembered as long as a refresh token that is not used. */
export const secretNoteSeconds = refreshTokenSeconds + accessTokenSeconds
/** Entries in memory of each kind that anyone can cause, and of all others: 128 MB hold them. */
export const floodedStoreEntries = 20_000
export const sharedStoreEntries = 100_000
/** Grants of one page: as many records are read from the store at once. */
export const maxListedGrants = 100
/** Pages of grants that one user sees, and the time for which the forms of that page work. */
export const maxGrantPages = 10
export const applicationFormSeconds = 3_600
/** The provider sends a logout token at once, and repeats it while this server is unreachable. */
export const logoutTokenSeconds = 600
/** A revocation that fails at the provider is repeated. */
export const revocationDelaysMs = [1_000, 5_000, 30_000]
/** The operator's `authorizeUser`, and the message of a refusal: clients show it in one line. */
export const authorizeUserMs = 5_000
export const maxRefusalChars = 200
// DPoP (RFC 9449): lib/dpop
/** A proof with an RSA key of 4096 bits has about 2,000; its `jti` is a random value. */
export const maxProofChars = 8_192
export const maxProofIdChars = 256
/** A nonce is handed out for this long and valid for as long again, by clocks that may differ. */
export const nonceSeconds = 120
export const nonceSkewSeconds = 30
/** Used proofs in memory, where there is no store, and keys of clients that sent valid ones. */
export const maxStoredProofs = 100_000
export const maxKnownProofKeys = 1_000
// Verification of access tokens: lib/verifiers
/** Valid tokens in memory, for each verifier; each is verified again after this time. */
export const maxCachedTokens = 10_000
export const tokenCacheSeconds = 60
/** Clocks of an issuer and ours may differ by this much, and by this if the option says so. */
export const issuerSkewSeconds = 30
export const maxIssuerSkewSeconds = 120
/** From issue to expiry, as a JWT cannot be revoked, and the longest `sub`. */
export const maxTokenLifetimeSeconds = 86_400
export const maxSubjectChars = 2_048
/** Keys of an issuer are loaded again after this time; while that fails, they are used longer. */
export const keysFreshSeconds = 600
export const keysStaleSeconds = 3_600
/** Keys in one set: each may have to be tried. */
export const maxProviderKeys = 100
/** Introspection requests of a verifier that run at once, and that wait for it. */
export const maxIntrospections = 40
export const maxQueuedIntrospections = 200
/** Tokens for other APIs in memory, about 20 MB; each is used until this long before it expires. */
export const maxExchangedTokens = 10_000
export const exchangeMarginSeconds = 30
// Thin proxies: lib/thin-proxy
/** From the authorization request to the token request. */
export const loginRecordSeconds = 600
/** A record is unusable for this long after a fault of the provider; records without a store. */
export const releasedRecordSeconds = 1
export const maxLoginRecords = 100_000
/** A wrapped refresh token that its provider does not replace. */
export const wrappedRefreshSeconds = 90 * 24 * 3600
/** Token requests in progress: a queue would use up the codes of clients that left. */
export const maxProviderTokenRequests = 50
// The server card: lib/discovery
/** Longest name, texts and version that the schema of server cards allows. */
export const maxCardNameChars = 200
export const maxCardTextChars = 100
export const maxCardVersionChars = 255
// The MCP route: lib/mcp
/** Names of tools: some model APIs refuse a request for a longer one. Titles are as short. */
export const maxToolNameChars = 64
/** Levels of a request body. Deeper JSON exhausts the stack of code that copies or writes it. */
export const maxBodyDepth = 256
/** Messages of a JSON-RPC batch. Each may start a tool. */
export const maxBatchMessages = 50
/** Values in the parameters of a message, at any depth, besides the arguments of a tool. */
export const maxParameterValues = 1_000
/** Browsers ask again after a day whether a page may use the route. */
export const preflightMaxAgeSeconds = 86_400
/** A stream outlives its token by this much, because clocks differ. */
export const streamGraceMs = 2_000
/** Pause between checks of a stream's token. A revoked one must end its stream within 5 s. */
export const streamCheckIntervalMs = 2_500
/** Notifications queued for a client that reads slowly. Further ones are dropped. */
export const maxQueuedNotificationBytes = 1024 * 1024
/** How long a list tells the scopes of its tools, and that others are unknown. Tools change. */
export const toolListLifetimeMs = 10_000
export const unknownToolMs = 1_000
/** Lists are kept as bytes, those that `authorizeTool` decides for each caller and this long. */
export const maxKeptListBytes = 16 * 1024 * 1024
export const policyListMs = 1_000
/** Time and pages that a server has to list its tools before the call that needs them fails. */
export const toolListTimeoutMs = 5_000
export const maxToolListPages = 100
/** The operator's `authorizeTool`, for one tool. */
export const authorizeToolMs = 5_000
/** Tools in memory, of which each caller may have others, and descriptions of modern clients. */
export const maxListedTools = 10_000
export const maxDescriptionChars = 1024 * 1024
/** Authentication code in the id of a session: 128 bits cannot be guessed. */
export const sessionCodeBytes = 16
/** Names in one error or log line: a client may send a hundred thousand. */
export const maxListedNames = 50
/** Names in the query or form of a call. A list repeats its name for each item. */
export const maxFormNameChars = 1024 * 1024
/** Values of an answer that are compared with its schema, which blocks other requests meanwhile. */
export const maxCheckedValues = 20_000
/** Answers of this size become results one after another: copies of many would fill the heap. */
export const largeAnswerBytes = 65_536
/** Longest error of a tool: models need the message, not a page of HTML. */
export const maxToolErrorChars = 4_000
