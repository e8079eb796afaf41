import { decodeJwt, decodeProtectedHeader } from 'jose'
import t from 'tap'
import { mintToken, type TokenClaims } from '../../src/access/mint-token.ts'
import { createVerifier } from '../../src/access/verify-token.ts'

const secret = 'a secret that has more than 32 bytes in it'
const verify = createVerifier({ secret })

t.test('a minted token is one that the server takes, with the same claims', async (t) => {
  const claims: TokenClaims = {
    sub: 'zoë',
    role: 'agent',
    workspaceId: 'w_1',
    shopId: 's_1',
    modules: [],
    channels: ['room:x', { channel: 'shop:s_2', may: ['publish'] }],
    tenantId: 't_1',
  }
  const before = Date.now() / 1000
  const token = await mintToken(secret, claims, { ttlSeconds: 60, issuer: 'me', audience: 'chat' })
  const verified = await createVerifier({ secret, issuer: 'me', audience: 'chat', tenantId: 't_1' })(token)
  t.match(verified, {
    ...claims,
    channels: [
      { channel: 'room:x', may: ['subscribe', 'signal'] },
      { channel: 'shop:s_2', may: ['publish'] },
    ],
  })
  t.ok(verified.exp - before >= 59.9 && verified.exp - before < 65)
  t.same(decodeProtectedHeader(token), { alg: 'HS256', typ: 'JWT' })
})

t.test('what is not said is not written', async (t) => {
  const token = await mintToken(
    secret,
    { sub: 'ana', role: undefined },
    { ttlSeconds: 60, issuer: undefined },
  )
  t.same(Object.keys(decodeJwt(token)), ['sub', 'iat', 'exp'])
  t.equal((await verify(token)).modules, undefined)
})

t.test('a claim that the server would refuse is refused when it is made, by name', async (t) => {
  const refused: [claims: object, name: string][] = [
    [{}, 'sub'],
    [{ sub: '' }, 'sub'],
    [{ sub: 'a\nb' }, 'sub'],
    [{ sub: 'ana', role: '' }, 'role'],
    [{ sub: 'ana', modules: ['Orders'] }, 'modules[0]'],
    [{ sub: 'ana', channels: ['nothing'] }, 'channels[0]'],
    [{ sub: 'ana', channels: [{ channel: 'room:x', may: ['everything'] }] }, 'channels[0]'],
  ]
  for (const [claims, claim] of refused) {
    await t.rejects(mintToken(secret, claims as TokenClaims, { ttlSeconds: 60 }), {
      name: 'ClaimError',
      claim,
    })
  }
})

t.test('no token without an end, with a weak secret, or too long to be taken', async (t) => {
  for (const ttlSeconds of [0, -1, Number.NaN]) {
    await t.rejects(mintToken(secret, { sub: 'ana' }, { ttlSeconds }), { message: /more than 0 seconds/ })
  }
  await t.rejects(mintToken(secret, { sub: 'ana' }, { ttlSeconds: Number.POSITIVE_INFINITY }), {
    message: /"exp"/,
  })
  await t.rejects(mintToken('short', { sub: 'ana' }, { ttlSeconds: 60 }), { message: /at least 32/ })
  const channels = Array.from({ length: 400 }, (_, i) => `room:a-room-with-a-long-name-${i}`)
  await t.rejects(mintToken(secret, { sub: 'ana', channels }, { ttlSeconds: 60 }), {
    message: /at most 8192/,
  })
})

t.test('a token may live for less than a second', async (t) => {
  const token = await mintToken(secret, { sub: 'ana' }, { ttlSeconds: 0.2 })
  t.equal((await verify(token)).sub, 'ana')
  await new Promise((resolve) => setTimeout(resolve, 220))
  await t.rejects(verify(token), { code: 'AUTH_FAILED', details: { claim: 'exp' } })
})
