import assert from 'node:assert/strict'
import { createHmac, createPublicKey, randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { decodeJwt } from 'jose'
import {
  idJag,
  identityClaims,
  jwtBearer,
  type AssertionIssuer
} from '../support/assertions.ts'
import {
  clientId,
  isRefused,
  secret,
  startTrusting,
  tokenOf,
  type Trusting
} from '../support/id-jag.ts'
import { basic, newKey } from '../support/machines.ts'

test('POST /oauth/token exchanges an identity assertion, once [EX-03 EM-01 EM-09 EM-13..EM-15 EM-22]', async (t) => {
  const { sign, send, trusted, ours, call, logs, events } = await startTrusting(t)
  const assertion = await sign({ email: 'alice@example.com' })
  const response = await send(assertion)
  const token = tokenOf(response)
  const members: object = response.json()
  assert.deepEqual(
    { ...members, access_token: null },
    {
      access_token: null,
      token_type: 'Bearer',
      expires_in: 3600,
      scope: 'mcp:read',
      resource: ours.resource
    },
    'there is no refresh token'
  )
  assert.equal(response.headers['cache-control'], 'no-store')
  const { aud, sub, client_id: client, email } = decodeJwt(token)
  assert.deepEqual(
    [aud, sub, client, email],
    [ours.resource, `${trusted.issuer}|U019488227`, clientId, undefined]
  )
  assert.equal((await call(token)).statusCode, 200)
  isRefused(await send(assertion), 400, 'invalid_grant')
  assert.equal((await call(token)).statusCode, 200, 'a copy does not end the first token')
  assert.deepEqual(
    events.filter(({ type }) => type.startsWith('token.')).map(({ type }) => type),
    ['token.issued', 'token.refused']
  )
  const [, payload = '', signature = ''] = assertion.split('.')
  const written = logs.join('') + JSON.stringify(events)
  for (const part of [payload, signature, 'alice@example.com']) {
    assert.ok(!written.includes(part), 'no part of an assertion is logged')
  }
})

type Claims = Record<string, unknown>

/** What a row sends: claims, a header, a whole assertion, parameters, or another client. */
interface Row {
  claims?: Claims | ((given: Trusting) => Claims)
  header?: object
  assertion?: (given: Trusting, valid: string, claims: object) => string | Promise<string>
  params?: object
  body?: (assertion: string) => string
  auth?: object
  error?: string
  status?: number
}

const now = () => Math.floor(Date.now() / 1000)
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

function hmac (key: string, claims: object) {
  const signed = `${part({ ...idJag, alg: 'HS256', kid: 'key-0' })}.${part(claims)}`
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
}

const withPart = (at: number, change: (text: string) => string) => (_: Trusting, valid: string) =>
  valid.split('.').map((text, index) => index === at ? change(text) : text).join('.')

const attacker = newKey()

const rows: Record<string, Record<string, Row>> = {
  'its type [EM-01]': {
    'is missing': { header: {} },
    'is JWT': { header: { typ: 'JWT' } },
    'is that of an access token': { header: { typ: 'at+jwt' } },
    'is that of a proof': { header: { typ: 'dpop+jwt' } },
    'is longer': { header: { typ: 'oauth-id-jag+jwt2' } },
    'is a number': { header: { typ: 5 } }
  },
  'its signature [EM-02]': {
    'is missing': { assertion: withPart(2, () => '') },
    'is another': { assertion: withPart(2, text => text.split('').reverse().join('')) },
    'is of other claims': { assertion: withPart(1, () => part({ sub: 'admin' })) },
    'is of an unknown key': {
      assertion: ({ trusted }, _, claims) => trusted.sign(claims, idJag, attacker)
    },
    'is of another key with a known id': {
      assertion: ({ trusted }, _, claims) =>
        trusted.sign(claims, { ...idJag, kid: 'key-0' }, attacker)
    },
    'is of the key in its header': {
      assertion: ({ trusted }, _, claims) =>
        trusted.sign(claims, { ...idJag, jwk: attacker.jwk }, attacker)
    },
    'is of the key of another issuer': {
      assertion: ({ trusted }, _, claims) =>
        trusted.sign(claims, { ...idJag, kid: 'key-0', jku: 'https://evil.example/' }, attacker)
    }
  },
  'its algorithm [EM-03]': {
    'is none': {
      assertion: (_, _valid, claims) => `${part({ ...idJag, alg: 'none' })}.${part(claims)}.`
    },
    'is none, with a signature': { assertion: withPart(0, () => part({ ...idJag, alg: 'none' })) },
    'is HMAC with the public key': {
      assertion: ({ trusted }, _, claims) => hmac(JSON.stringify(trusted.keys[0]?.jwk), claims)
    },
    'is HMAC with the public key as PEM': {
      assertion: ({ trusted }, _, claims) => hmac(pemOf(trusted), claims)
    },
    'is asymmetric, but not listed': {
      assertion: ({ trusted }, _, claims) => trusted.sign(claims, idJag, trusted.keys[1])
    },
    'has unknown critical parameters': {
      assertion: withPart(0, () => part({ ...idJag, alg: 'ES256', crit: ['x'], x: 1 }))
    }
  },
  'its form [EM-02]': {
    'is no JWT': { assertion: () => 'x' },
    'has two parts': { assertion: (_, valid) => valid.split('.').slice(0, 2).join('.') },
    'has four parts': { assertion: (_, valid) => `${valid}.x` },
    'is encrypted': { assertion: (_, valid) => `${valid}.x.x` },
    'has another spelling': { assertion: withPart(2, respelled) },
    'is padded': { assertion: withPart(2, text => `${text}=`) },
    'has a space': { assertion: (_, valid) => ` ${valid}` },
    'is no JSON': { assertion: withPart(1, () => 'eHg') },
    'is an array': { assertion: withPart(1, () => 'W10') },
    'is too long': { claims: { x: 'x'.repeat(16_384) } }
  },
  'its issuer [EM-04]': {
    'is unknown': { claims: { iss: 'https://evil.example' } },
    'has another spelling': { claims: ({ trusted }) => ({ iss: `${trusted.issuer}/` }) },
    'is missing': { claims: { iss: undefined } },
    'is an array': { claims: ({ trusted }) => ({ iss: [trusted.issuer] }) }
  },
  'its audience [EM-05]': {
    'is missing': { claims: { aud: undefined } },
    'is another server': { claims: { aud: 'https://mcp.example.com' } },
    'is the token endpoint': { claims: ({ issuer }) => ({ aud: `${issuer}/oauth/token` }) },
    'is the resource': { claims: ({ ours }) => ({ aud: ours.resource }) },
    'is its issuer': { claims: ({ trusted }) => ({ aud: trusted.issuer }) },
    'is empty': { claims: { aud: [] } },
    'has another server': { claims: ({ issuer }) => ({ aud: [issuer, 'https://evil.example'] }) },
    'is there twice': { claims: ({ issuer }) => ({ aud: [issuer, issuer] }) },
    'is an object': { claims: { aud: {} } }
  },
  'its subject [EM-06]': {
    'is missing': { claims: { sub: undefined } },
    'is empty': { claims: { sub: '' } },
    'is a number': { claims: { sub: 7 } },
    'has a line feed': { claims: { sub: 'alice\nbob' } },
    'is too long': { claims: { sub: 'x'.repeat(2_049) } },
    'is too long with its issuer': { claims: { sub: 'x'.repeat(2_040) } },
    'is of a tenant that is a number': { claims: { tenant: 5 } },
    'is of a tenant without a name': { claims: { tenant: '' } }
  },
  'its client [EM-07]': {
    'is missing': { claims: { client_id: undefined } },
    'is another': { claims: { client_id: 'thief' } },
    'is a list': { claims: { client_id: [clientId] } },
    'did not send it': { auth: basic('thief', secret) },
    'has another secret': {
      auth: basic(clientId, `${secret}x`),
      error: 'invalid_client',
      status: 401
    },
    'does not authenticate': {
      auth: {},
      params: { client_id: clientId },
      error: 'invalid_client',
      status: 401
    },
    'is unknown': { auth: basic('nobody', secret), error: 'invalid_client', status: 401 },
    'is not named': { auth: {}, error: 'invalid_request' },
    'is public': {
      claims: { client_id: 'public' },
      params: { client_id: 'public' },
      auth: {},
      error: 'unauthorized_client'
    },
    'may not use the grant': {
      claims: { client_id: 'job' },
      auth: basic('job', secret),
      error: 'unauthorized_client'
    }
  },
  'its id [EM-08]': {
    'is missing': { claims: { jti: undefined } },
    'is empty': { claims: { jti: '' } },
    'is a number': { claims: { jti: 7 } },
    'is too long': { claims: { jti: 'x'.repeat(513) } }
  },
  'its time [EM-10]': {
    'has no end': { claims: { exp: undefined } },
    'ends at a text': { claims: { exp: String(now() + 300) } },
    'is over': { claims: { iat: now() - 400, exp: now() - 31 } },
    'is a day': { claims: { exp: now() + 86_400 } },
    'has no beginning': { claims: { iat: undefined } },
    'begins at a text': { claims: { iat: String(now()) } },
    'begins in the future': { claims: { iat: now() + 600, exp: now() + 900 } },
    'is not yet': { claims: { nbf: now() + 600 } },
    'is not yet, says a text': { claims: { nbf: '0' } }
  },
  'its resource [EM-11]': {
    'is another': { claims: { resource: 'https://mcp.example.com/mcp' } },
    'is another path': { claims: ({ ours }) => ({ resource: `${ours.resource}/x` }) },
    'is the issuer': { claims: ({ issuer }) => ({ resource: issuer }) },
    'is empty': { claims: { resource: [] } },
    'has another beside it': {
      claims: ({ ours }) => ({ resource: [ours.resource, 'https://mcp.example.com/mcp'] })
    },
    'is a number': { claims: { resource: 7 } },
    'is requested for another server': {
      params: { resource: 'https://mcp.example.com/mcp' },
      error: 'invalid_target'
    }
  },
  'its scope [EM-12]': {
    'is a list': { claims: { scope: ['mcp:read'] } },
    'is malformed': { claims: { scope: 'mcp:read "' } },
    'is of other servers': { claims: { scope: 'chat:read chat:write' } },
    'is less than requested': { params: { scope: 'mcp:write' }, error: 'invalid_scope' },
    'is malformed in the request': { params: { scope: 'mcp:read "' }, error: 'invalid_scope' }
  },
  'its details [EM-25]': {
    'are a text': { claims: { authorization_details: '[]' } },
    'are an object': { claims: { authorization_details: { type: 'x' } } },
    'have a text': { claims: { authorization_details: [{ type: 'x' }, 'x'] } },
    'have null': { claims: { authorization_details: [null] } },
    'have no type': { claims: { authorization_details: [{}] } },
    'have a number as their type': { claims: { authorization_details: [{ type: 5 }] } },
    'stand for a scope': {
      claims: { scope: undefined, authorization_details: [{ type: 'x' }] }
    }
  },
  'its key [EM-16]': {
    'is not proven': { claims: { cnf: { jkt: 'x'.repeat(43) } } },
    'is null': { claims: { cnf: null } },
    'is a certificate': { claims: { cnf: { 'x5t#S256': 'x'.repeat(43) } } }
  },
  'its actor [EM-20]': {
    'is a text': { claims: { act: 'agent' } },
    'has no subject': { claims: { act: { client_id: 'agent' } } },
    'is one of six': { claims: { act: chain(6) } },
    'may be a text': { claims: { may_act: 'agent' } }
  },
  'its request [EM-01]': {
    'has none': {
      body: () => new URLSearchParams({ grant_type: jwtBearer }).toString(),
      error: 'invalid_request'
    },
    'has two': {
      body: assertion =>
        new URLSearchParams([
          ['grant_type', jwtBearer],
          ['assertion', assertion],
          ['assertion', assertion]
        ]).toString(),
      error: 'invalid_request'
    },
    'has it as the assertion of the client': {
      body: assertion =>
        new URLSearchParams({
          grant_type: jwtBearer,
          assertion,
          client_id: 'signer',
          client_assertion: assertion,
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
        }).toString(),
      auth: {},
      error: 'invalid_client',
      status: 401
    }
  }
}

/** Actors, each of which acts for the next one. */
function chain (length: number): object {
  return { sub: `agent-${length}`, ...(length > 1 && { act: chain(length - 1) }) }
}

function pemOf ({ keys: [key] }: AssertionIssuer) {
  assert.ok(key)
  const publicKey = createPublicKey({ key: key.jwk, format: 'jwk' })
  return publicKey.export({ type: 'spki', format: 'pem' }).toString()
}

/** The same bytes, with other idle bits in the last character. */
function respelled (text: string) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return text.slice(0, -1) + alphabet[alphabet.indexOf(text.at(-1) ?? '') ^ 1]
}

for (const [title, attempts] of Object.entries(rows)) {
  test(`POST /oauth/token refuses an assertion and consumes nothing: ${title}`, async (t) => {
    const given = await startTrusting(t)
    given.trusted.keys.push(newKey('RS512'))
    tokenOf(await given.send(await given.sign()))
    for (const [what, row] of Object.entries(attempts)) {
      await t.test(`${title.split(' [', 1)[0]} ${what}`, () => isAttemptRefused(given, row))
    }
  })
}

const sentences: Record<string, string> = {
  invalid_grant: 'The grant is invalid, expired, used, or belongs to another client.',
  unauthorized_client: 'This client may not use this grant type.',
  invalid_client: 'The client is unknown or could not be authenticated.',
  invalid_target: 'The requested resource is not served here.',
  invalid_scope: 'The requested scope is invalid or unknown.'
}

async function isAttemptRefused (given: Trusting, row: Row) {
  const { sign, send, post, events, trusted, ours, logs } = given
  const { header = idJag, params, auth, error = 'invalid_grant', status = 400 } = row
  const jti = randomUUID()
  const changed = typeof row.claims === 'function' ? row.claims(given) : row.claims
  const claims = identityClaims(trusted, ours, { jti, ...changed })
  const plain = await sign({ jti, ...changed }, header)
  const assertion = await row.assertion?.(given, plain, claims) ?? plain
  events.length = logs.length = 0
  const reply = row.body
    ? await post(row.body(assertion), auth ?? basic(clientId, secret))
    : await send(assertion, params, auth)
  isRefused(reply, status, error)
  assert.equal(reply.json().error_description, sentences[error] ?? reply.json().error_description)
  assert.ok(!reply.body.includes(trusted.issuer))
  const refusals = events.filter(event => event.type === 'token.refused')
  assert.deepEqual(refusals.map(event => [event.error, event.grantType]), [[error, jwtBearer]])
  assert.ok(!events.some(({ type }) => type === 'token.issued'))
  const signature = assertion.split('.')[2]
  assert.ok(!signature || !logs.join('').includes(signature), 'no assertion is logged')
  tokenOf(await send(await sign({ jti })))
}
