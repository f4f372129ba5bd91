import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  authorizationServerPaths,
  discoveryUrls,
  insertWellKnown,
  protectedResourcePath
} from '../../lib/oauth/well-known.ts'

test('an issuer with a path has three addresses, in the order of clients [ASM-04]', () => {
  const expected = [
    'https://api.example.com/.well-known/oauth-authorization-server/t1/x',
    'https://api.example.com/.well-known/openid-configuration/t1/x',
    'https://api.example.com/t1/x/.well-known/openid-configuration'
  ]
  assert.deepEqual(discoveryUrls('https://api.example.com/t1/x'), expected)
  assert.deepEqual(discoveryUrls('https://api.example.com/t1/x/'), expected)
})

test('an issuer without a path has two [ASM-04]', () => {
  const expected = [
    'https://api.example.com:8443/.well-known/oauth-authorization-server',
    'https://api.example.com:8443/.well-known/openid-configuration'
  ]
  assert.deepEqual(discoveryUrls('https://api.example.com:8443'), expected)
  assert.deepEqual(discoveryUrls('https://api.example.com:8443/'), expected)
})

test('no address has a double slash', () => {
  for (
    const issuer of [
      'https://h.example/',
      'https://h.example//',
      'https://h.example/a/',
      'https://h.example/a//'
    ]
  ) {
    for (const url of discoveryUrls(issuer)) assert.ok(!url.slice(8).includes('//'), url)
  }
})

test('paths are treated as URLs are', () => {
  assert.equal(protectedResourcePath('/api/mcp'), '/.well-known/oauth-protected-resource/api/mcp')
  assert.equal(protectedResourcePath('/'), '/.well-known/oauth-protected-resource')
  assert.equal(protectedResourcePath(''), '/.well-known/oauth-protected-resource')
  assert.deepEqual(authorizationServerPaths('/api'), [
    '/.well-known/oauth-authorization-server/api',
    '/.well-known/openid-configuration/api',
    '/api/.well-known/openid-configuration'
  ])
  assert.deepEqual(authorizationServerPaths(''), [
    '/.well-known/oauth-authorization-server',
    '/.well-known/openid-configuration'
  ])
})

test('RFC 9728 §3.1 the query of a resource stays at the end', () => {
  assert.equal(
    insertWellKnown('oauth-protected-resource', 'https://r.example/mcp?k=v'),
    'https://r.example/.well-known/oauth-protected-resource/mcp?k=v'
  )
  assert.equal(
    insertWellKnown('oauth-protected-resource', 'https://r.example/?k=/v/'),
    'https://r.example/.well-known/oauth-protected-resource?k=/v/'
  )
})
