import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  authorizationServerUrls,
  insertWellKnown
} from '../../lib/oauth/well-known.ts'

test('authorizationServerUrls returns three URLs for an issuer with a path, in the order of clients [ASM-04]', () => {
  const expected = [
    'https://api.example.com/.well-known/oauth-authorization-server/t1/x',
    'https://api.example.com/.well-known/openid-configuration/t1/x',
    'https://api.example.com/t1/x/.well-known/openid-configuration'
  ]
  assert.deepEqual(authorizationServerUrls('https://api.example.com/t1/x'), expected)
  assert.deepEqual(authorizationServerUrls('https://api.example.com/t1/x/'), expected)
})

test('authorizationServerUrls returns two URLs for an issuer without a path [ASM-04]', () => {
  const expected = [
    'https://api.example.com:8443/.well-known/oauth-authorization-server',
    'https://api.example.com:8443/.well-known/openid-configuration'
  ]
  assert.deepEqual(authorizationServerUrls('https://api.example.com:8443'), expected)
  assert.deepEqual(authorizationServerUrls('https://api.example.com:8443/'), expected)
})

test('authorizationServerUrls have no double slash', () => {
  for (
    const issuer of [
      'https://h.example/',
      'https://h.example//',
      'https://h.example/a/',
      'https://h.example/a//'
    ]
  ) {
    for (const url of authorizationServerUrls(issuer)) assert.ok(!url.slice(8).includes('//'), url)
  }
})

test('well-known paths are made in the same way as URLs', () => {
  assert.equal(
    insertWellKnown('oauth-protected-resource', '/api/mcp'),
    '/.well-known/oauth-protected-resource/api/mcp'
  )
  assert.equal(
    insertWellKnown('oauth-protected-resource', '/'),
    '/.well-known/oauth-protected-resource'
  )
  assert.equal(
    insertWellKnown('oauth-protected-resource', ''),
    '/.well-known/oauth-protected-resource'
  )
  assert.deepEqual(authorizationServerUrls('/api'), [
    '/.well-known/oauth-authorization-server/api',
    '/.well-known/openid-configuration/api',
    '/api/.well-known/openid-configuration'
  ])
  assert.deepEqual(authorizationServerUrls(''), [
    '/.well-known/oauth-authorization-server',
    '/.well-known/openid-configuration'
  ])
})

test('insertWellKnown keeps the query of a resource at the end (RFC 9728 §3.1)', () => {
  assert.equal(
    insertWellKnown('oauth-protected-resource', 'https://r.example/mcp?k=v'),
    'https://r.example/.well-known/oauth-protected-resource/mcp?k=v'
  )
  assert.equal(
    insertWellKnown('oauth-protected-resource', 'https://r.example/?k=/v/'),
    'https://r.example/.well-known/oauth-protected-resource?k=/v/'
  )
})
