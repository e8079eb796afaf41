import { createHmac } from 'node:crypto'
import { type CryptoKey, exportSPKI, importJWK, type JWK, SignJWT } from 'jose'
import t, { type Test } from 'tap'
import { createVerifier, type VerifierOptions } from '../../src/access/verify-token.ts'
import { makeKey, startIssuer } from './issuer.ts'

const claims = (sub = 'u_1') => ({ sub, exp: Math.floor(Date.now() / 1000) + 3600 })
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function setUp(t: Test, keySet: VerifierOptions['keySet'] = {}) {
  const issuer = await startIssuer()
  t.teardown(() => issuer.close())
  const lines: string[] = []
  const log = {
    info: (_: object, line: string) => void lines.push(line),
    warn: (_: object, line: string) => void lines.push(line),
  }
  return { issuer, lines, verify: createVerifier({ jwksUrl: issuer.url, log, keySet }) }
}

t.test('tokens of the issuer are taken, by each algorithm', async (t) => {
  const { issuer, verify } = await setUp(t)
  const keys = new Map(
    await Promise.all(
      ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'].map(
        async (alg) => [alg, await issuer.addKey(`key of ${alg}`, alg)] as const,
      ),
    ),
  )
  for (const [alg, key] of keys) t.equal((await verify(await key.sign(claims(alg)))).sub, alg)
  t.equal(issuer.requests, 1, 'the set is downloaded once')
})

t.test('algorithms that are not on the list are refused, though the key is there', async (t) => {
  const { issuer, verify } = await setUp(t)
  for (const alg of ['RS384', 'RS512', 'PS512', 'ES384', 'ES512']) {
    const key = await issuer.addKey(alg, alg)
    await t.rejects(verify(await key.sign(claims())), {
      code: 'AUTH_FAILED',
      message: /algorithm is not one of RS256/,
    })
  }
  t.equal(issuer.requests, 0, 'and the endpoint is not even asked')
})

t.test('a public key is no secret: key confusion', async (t) => {
  const { issuer, verify } = await setUp(t)
  const key = await issuer.addKey('rsa', 'RS256')
  await verify(await key.sign(claims()))
  const publicKey = (await importJWK(key.publicJwk, 'RS256')) as Parameters<typeof exportSPKI>[0]
  const pem = await exportSPKI(publicKey)
  const secrets = [
    pem,
    pem.trim(),
    JSON.stringify(key.publicJwk),
    key.publicJwk.n ?? '',
    Buffer.from(key.publicJwk.n ?? '', 'base64url'),
  ]
  for (const alg of ['HS256', 'RS256', 'none']) {
    for (const secret of secrets) {
      const header = Buffer.from(JSON.stringify({ alg, kid: 'rsa' })).toString('base64url')
      const input = `${header}.${Buffer.from(JSON.stringify({ ...claims(), role: 'service' })).toString('base64url')}`
      const token = `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
      await t.rejects(verify(token), { code: 'AUTH_FAILED' })
    }
  }
})

t.test('a symmetric key in the issuer’s set verifies nothing', async (t) => {
  const { issuer, verify } = await setUp(t)
  const secret = new Uint8Array(32).fill(7)
  issuer.addJwk({ kty: 'oct', k: Buffer.from(secret).toString('base64url'), kid: 'oct', alg: 'HS256' })
  const token = await new SignJWT(claims()).setProtectedHeader({ alg: 'HS256', kid: 'oct' }).sign(secret)
  await t.rejects(verify(token), { code: 'AUTH_FAILED', message: /algorithm is not one of/ })
})

t.test('a key serves its own algorithm and use only', async (t) => {
  const { issuer, verify } = await setUp(t)
  const key = await issuer.addKey('rsa', 'RS256', { alg: 'RS256' })
  const forPs = (await importJWK({ ...key.privateJwk, alg: 'PS256' }, 'PS256')) as CryptoKey
  const asPs = await new SignJWT(claims()).setProtectedHeader({ alg: 'PS256', kid: 'rsa' }).sign(forPs)
  await t.rejects(verify(asPs), { code: 'AUTH_FAILED', message: /the issuer has no such key/ })
  const forEncryption = await issuer.addKey('enc', 'RS256', { use: 'enc' })
  await t.rejects(verify(await forEncryption.sign(claims())), { code: 'AUTH_FAILED', message: /no such key/ })
})

t.test('the signature of another key under a known id is refused', async (t) => {
  const { issuer, verify } = await setUp(t)
  await issuer.addKey('k1', 'ES256')
  const stranger = await makeKey('k1', 'ES256')
  await t.rejects(verify(await stranger.sign(claims())), {
    code: 'AUTH_FAILED',
    message: /signature does not fit/,
  })
})

t.test('keys that the token brings along are not looked at', async (t) => {
  const { issuer, verify } = await setUp(t)
  await issuer.addKey('k1', 'ES256')
  const elsewhere = await startIssuer()
  t.teardown(() => elsewhere.close())
  const own = await elsewhere.addKey('own', 'ES256')
  const header = { jwk: own.publicJwk, jku: elsewhere.url, x5u: elsewhere.url }
  await t.rejects(verify(await own.sign(claims(), header)), { code: 'AUTH_FAILED' })
  await t.rejects(verify(await own.sign(claims(), { ...header, kid: 'k1' })), { code: 'AUTH_FAILED' })
  t.equal(elsewhere.requests, 0)
})

t.test('a token without a key id is taken where only one key fits', async (t) => {
  const { issuer, verify } = await setUp(t, { cooldownMs: 0, maxAgeMs: 0 })
  const key = await issuer.addKey(undefined, 'ES256')
  await issuer.addKey('rsa', 'RS256')
  t.equal((await verify(await key.sign(claims()))).sub, 'u_1')
  await issuer.addKey('other', 'ES256')
  await t.rejects(verify(await key.sign(claims('u_2'))), { code: 'AUTH_FAILED', message: /with which key/ })
})

t.test('a key that cannot be used refuses its tokens, and not those of others', async (t) => {
  const { issuer, verify } = await setUp(t)
  const good = await issuer.addKey('good', 'ES256')
  const leaked = await makeKey('leaked', 'ES256')
  issuer.addJwk(leaked.privateJwk)
  const broken = await makeKey('broken', 'ES256')
  issuer.addJwk({ ...broken.publicJwk, x: 'AAAA' })
  const odd = [{ kty: 'unknown', kid: 'odd' }, { kty: 'EC' }, { kid: 'odd' }] as JWK[]
  for (const jwk of odd) issuer.addJwk(jwk)
  for (const key of [leaked, broken]) {
    await t.rejects(verify(await key.sign(claims())), { code: 'AUTH_FAILED', message: /key cannot be used/ })
  }
  t.equal((await verify(await good.sign(claims()))).sub, 'u_1')
})

t.test('keys rotate without a restart', async (t) => {
  const { issuer, verify } = await setUp(t, { cooldownMs: 50 })
  const first = await issuer.addKey('k1', 'ES256')
  await verify(await first.sign(claims()))
  await wait(60)
  const second = await issuer.addKey('k2', 'ES256')
  t.equal((await verify(await second.sign(claims('new')))).sub, 'new', 'the new key at its first token')
  t.equal(
    (await verify(await first.sign(claims('old')))).sub,
    'old',
    'and the old one as long as it is published',
  )
  t.equal(issuer.requests, 2)
})

t.test('a withdrawn key ends, also for a token that was verified before', async (t) => {
  const { issuer, verify } = await setUp(t, { cooldownMs: 50, maxAgeMs: 100 })
  const first = await issuer.addKey('k1', 'ES256')
  const token = await first.sign(claims())
  await verify(token)
  issuer.removeKey('k1')
  const second = await issuer.addKey('k2', 'ES256')
  t.equal((await verify(token)).sub, 'u_1', 'nobody knows yet')
  await wait(110)
  await verify(await second.sign(claims()))
  await t.rejects(verify(token), { code: 'AUTH_FAILED', message: /no such key/ })
})

t.test('a storm of unknown key ids makes one request in a cooldown', async (t) => {
  const { issuer, verify } = await setUp(t, { cooldownMs: 3_000 })
  const key = await issuer.addKey('k1', 'ES256')
  const stranger = await makeKey(undefined, 'ES256')
  const good = await key.sign(claims())
  await verify(good)
  t.equal(issuer.requests, 1)
  const storm = async () => {
    const tokens = await Promise.all(
      Array.from({ length: 300 }, (_, i) => stranger.sign(claims(), { kid: `unknown ${i}` })),
    )
    return Promise.allSettled(tokens.map((token) => verify(token)))
  }
  await storm()
  t.equal(issuer.requests, 1, 'the download a moment ago is good enough')
  await wait(3_050)
  issuer.delay(50)
  const results = await storm()
  t.equal(issuer.requests, 2, 'all of them share one')
  for (const result of results) {
    if (result.status === 'fulfilled') t.fail('accepted')
    else if (result.reason.code !== 'AUTH_FAILED') t.fail(result.reason.message)
  }
  await storm()
  t.equal(issuer.requests, 2)
  t.equal(
    (await verify(await key.sign(claims('u_2')))).sub,
    'u_2',
    'and who has a known key is not disturbed',
  )
})

t.test('the first tokens share one download', async (t) => {
  const { issuer, verify } = await setUp(t)
  const key = await issuer.addKey('k1', 'ES256')
  issuer.delay(50)
  const tokens = await Promise.all(Array.from({ length: 100 }, (_, i) => key.sign(claims(`u_${i}`))))
  const verified = await Promise.all(tokens.map((token) => verify(token)))
  t.same(
    verified.map(({ sub }) => sub),
    tokens.map((_, i) => `u_${i}`),
  )
  t.equal(issuer.requests, 1)
})

t.test('with the endpoint away known keys go on working and nobody waits', async (t) => {
  const { issuer, lines, verify } = await setUp(t, { cooldownMs: 50, maxAgeMs: 60, timeoutMs: 300 })
  const key = await issuer.addKey('k1', 'ES256')
  const next = await makeKey('k2', 'ES256')
  await verify(await key.sign(claims('u_0')))

  issuer.behave('never')
  await wait(70)
  const waited = performance.now()
  t.equal((await verify(await key.sign(claims('u_1')))).sub, 'u_1', 'the first one asks in vain')
  t.ok(performance.now() - waited < 1000)
  await wait(60)
  const startedAt = performance.now()
  t.equal((await verify(await key.sign(claims('u_2')))).sub, 'u_2')
  t.ok(performance.now() - startedAt < 200, 'the others do not wait for an endpoint that is away')
  await t.rejects(verify(await next.sign(claims())), { code: 'UNAVAILABLE', retry: true })
  t.same(lines, ['the key set cannot be read; keys that are known go on working'], 'said once')

  issuer.behave('well')
  issuer.addJwk(next.publicJwk)
  await wait(360)
  t.equal((await verify(await next.sign(claims('u_3')))).sub, 'u_3')
  t.equal(lines[1], 'the key set can be read again')
})

t.test('an endpoint that never answered is unavailable, and is not hammered', async (t) => {
  const { issuer, verify } = await setUp(t, { retryMs: 200 })
  const key = await issuer.addKey('k1', 'ES256')
  issuer.behave('badly')
  const token = await key.sign(claims())
  for (let round = 0; round < 5; round++) {
    const results = await Promise.allSettled(Array.from({ length: 50 }, () => verify(token)))
    for (const result of results)
      t.match(result, { status: 'rejected', reason: { code: 'UNAVAILABLE', retry: true } })
  }
  t.equal(issuer.requests, 1)
  issuer.behave('well')
  await wait(210)
  t.equal((await verify(token)).sub, 'u_1')
  t.equal(issuer.requests, 2)

  const nobody = createVerifier({ jwksUrl: 'http://127.0.0.1:1/jwks.json' })
  await t.rejects(nobody(token), { code: 'UNAVAILABLE' })
})

t.test('what is no key set changes nothing', async (t) => {
  const { issuer, verify } = await setUp(t, { cooldownMs: 0, maxAgeMs: 0 })
  const key = await issuer.addKey('k1', 'ES256')
  await verify(await key.sign(claims('u_0')))
  const answers = [
    '',
    'null',
    '{}',
    '[]',
    '{"keys":1}',
    '{"keys":[1]}',
    '<html>',
    `{"keys":[],"x":"${'x'.repeat(300_000)}"}`,
  ]
  for (const body of answers) {
    issuer.behave({ status: 200, body })
    t.equal(
      (await verify(await key.sign(claims(`u ${body.slice(0, 50)}`)))).sub.slice(0, 2),
      'u ',
      body.slice(0, 20),
    )
  }
  for (const status of [204, 301, 302, 304, 403, 404, 500]) {
    issuer.behave({ status, body: '' })
    t.equal((await verify(await key.sign(claims(`u_${status}`)))).sub, `u_${status}`)
  }
  issuer.behave({ status: 200, body: '{"keys":[]}' })
  await verify(await key.sign(claims('the one that finds out')))
  await wait(50)
  await t.rejects(verify(await key.sign(claims('u_9'))), { code: 'AUTH_FAILED' }, 'an empty set is one')
})
