import { createHmac, randomUUID } from 'node:crypto'
import { CompactEncrypt, SignJWT, UnsecuredJWT } from 'jose'
import t, { type Test } from 'tap'
import type { ProtocolError } from '../../protocol/v1/errors.ts'
import { createVerifier, MAX_TOKEN_BYTES, type VerifierOptions } from '../../src/access/verify-token.ts'

const SECRET = 'a secret that has more than 32 bytes in it'
const secretBytes = new TextEncoder().encode(SECRET)
const now = () => Math.floor(Date.now() / 1000)
const GOOD = { sub: 'u_1', exp: now() + 3600 }

const verify = createVerifier({ secret: SECRET })
const sign = (claims: object, header = {}) =>
  new SignJWT({ ...claims }).setProtectedHeader({ alg: 'HS256', ...header }).sign(secretBytes)

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
/** A token whose parts are exactly these, correctly signed: for what a signing library would refuse to make. */
function rawToken(header: unknown, payload: string | Buffer): string {
  const input = `${base64url(header)}.${Buffer.from(payload as string).toString('base64url')}`
  return `${input}.${createHmac('sha256', secretBytes).update(input).digest('base64url')}`
}

/** The refusal is AUTH_FAILED, says what is wrong, and repeats nothing of the token. */
async function refuses(t: Test, token: unknown, message: RegExp, options?: Partial<VerifierOptions>) {
  const verifyThis = options === undefined ? verify : createVerifier({ secret: SECRET, ...options })
  const error = await verifyThis(token as string).then(
    () => undefined,
    (error: unknown) => error,
  )
  t.match(error, { name: 'ProtocolError', code: 'AUTH_FAILED', retry: false, message })
  const told = `${(error as ProtocolError).message} ${JSON.stringify((error as ProtocolError).details)}`
  const parts = typeof token === 'string' ? token.split('.').filter((part) => part.length > 8) : []
  t.notOk(parts.some((part) => told.includes(part)))
}

t.test('a good token gives its claims, and nothing that the server does not know', async (t) => {
  const everything = {
    sub: 'u_1',
    role: 'agent',
    workspaceId: 'w_1',
    shopId: 's_1',
    modules: ['orders', 'chat', 'orders'],
    channels: [
      'conversation:c_1',
      { channel: 'shop:s_2/orders', may: ['publish', 'subscribe'] },
      { channel: 'room:x', may: [] },
    ],
    tenantId: 't_1',
    exp: now() + 60.5,
    iat: now(),
  }
  t.strictSame(await verify(await sign({ ...everything, email: 'a@b', admin: true, role_: 'admin' })), {
    ...everything,
    modules: ['orders', 'chat'],
    channels: [
      { channel: 'conversation:c_1', may: ['subscribe', 'signal'] },
      { channel: 'shop:s_2/orders', may: ['publish', 'subscribe'] },
      { channel: 'room:x', may: [] },
    ],
  })
  t.strictSame(await verify(await sign(GOOD)), { ...GOOD, role: undefined })
})

t.test('the claims cannot be changed: sessions share them', async (t) => {
  const claims = await verify(await sign({ ...GOOD, modules: ['orders'], channels: ['room:x'] }))
  t.throws(() => Object.assign(claims, { role: 'admin' }), TypeError)
  t.throws(() => (claims.modules as string[]).push('chat'), TypeError)
  t.throws(() => Object.assign(claims.channels![0]!, { channel: 'room:y' }), TypeError)
  t.throws(() => (claims.channels![0]!.may as string[]).push('publish'), TypeError)
})

t.test('a token without a signature is refused', async (t) => {
  await refuses(t, new UnsecuredJWT({ sub: 'u_1' }).setExpirationTime('1h').encode(), /not a signed JWT/)
  const [header, payload] = (await sign(GOOD)).split('.')
  await refuses(t, `${header}.${payload}.`, /not a signed JWT/)
  await refuses(t, `${header}.${payload}`, /not a signed JWT/)
  for (const alg of ['none', 'None', 'NONE', 'nOnE', '']) {
    await refuses(t, `${base64url({ alg })}.${payload}.AAAA`, /algorithm|not a signed JWT/)
    await refuses(t, rawToken({ alg }, JSON.stringify(GOOD)), /algorithm|not a signed JWT/)
  }
})

t.test('only HS256 goes with the secret', async (t) => {
  for (const alg of ['HS384', 'HS512', 'RS256', 'ES256', 'EdDSA', 'PS256', 'hs256', 'dir', 'A128KW']) {
    await refuses(t, rawToken({ alg }, JSON.stringify(GOOD)), /algorithm is not one of HS256$/)
  }
  const hs512 = new SignJWT(GOOD).setProtectedHeader({ alg: 'HS512' }).sign(new Uint8Array(64).fill(7))
  await refuses(t, await hs512, /algorithm is not one of HS256$/)
  for (const header of [{}, { alg: null }, { alg: ['HS256'] }, { alg: 1 }, [], null, 'HS256']) {
    await refuses(t, rawToken(header, JSON.stringify(GOOD)), /not a signed JWT/)
  }
})

t.test('extensions that the server does not understand are refused', async (t) => {
  await refuses(t, rawToken({ alg: 'HS256', crit: ['x'], x: 1 }, JSON.stringify(GOOD)), /refused/)
  await refuses(t, rawToken({ alg: 'HS256', crit: ['b64'], b64: false }, JSON.stringify(GOOD)), /refused/)
})

t.test('keys that the token brings along are not looked at', async (t) => {
  const own = new TextEncoder().encode('a secret of the attacker, also long enough')
  const jwk = { kty: 'oct', k: Buffer.from(own).toString('base64url') }
  const header = {
    alg: 'HS256',
    jwk,
    jku: 'http://127.0.0.1:1/keys',
    kid: '../../dev/null',
    x5u: 'http://127.0.0.1:1/',
  }
  await refuses(t, await new SignJWT(GOOD).setProtectedHeader(header as never).sign(own), /signature/)
})

t.test('a tampered token is refused', async (t) => {
  const token = await sign({ ...GOOD, role: 'clerk' })
  const [header = '', payload = '', signature = ''] = token.split('.')
  const promoted = base64url({ ...GOOD, role: 'service' })
  await refuses(t, `${header}.${promoted}.${signature}`, /signature/)
  await refuses(t, `${base64url({ alg: 'HS256', kid: 'x' })}.${payload}.${signature}`, /signature/)
  await refuses(
    t,
    await new SignJWT(GOOD).setProtectedHeader({ alg: 'HS256' }).sign(secretBytes.slice(1)),
    /signature/,
  )
  const flipped = Buffer.from(signature, 'base64url')
  for (const at of [0, 15, 31]) {
    flipped[at] = (flipped[at] ?? 0) ^ 1
    await refuses(t, `${header}.${payload}.${flipped.toString('base64url')}`, /signature/)
    flipped[at] = (flipped[at] ?? 0) ^ 1
  }
  await refuses(t, `${header}.${payload}.${flipped.subarray(0, 31).toString('base64url')}`, /signature/)
})

t.test('an encrypted token is refused, whatever is in it', async (t) => {
  const jwe = await new CompactEncrypt(new TextEncoder().encode(await sign(GOOD)))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
    .encrypt(secretBytes.slice(0, 32))
  await refuses(t, jwe, /not a signed JWT/)
})

t.test('what is no token is refused', async (t) => {
  const good = await sign(GOOD)
  for (const junk of [
    '',
    '.',
    '..',
    '...',
    'x',
    `${good}.`,
    ` ${good}`,
    `${good}\n`,
    good.replace('.', '..'),
    'é.é.é',
    '💥',
  ]) {
    await refuses(t, junk, /not a signed JWT/)
  }
  for (const junk of [undefined, null, 0, {}, [], [good], Buffer.from(good)])
    await refuses(t, junk, /a token is a string/)
  for (const payload of ['null', '[]', '"x"', '1', '{', '', '\u0000', Buffer.from([0xff, 0xfe])]) {
    await refuses(t, rawToken({ alg: 'HS256' }, payload), /not a signed JWT/)
  }
  await refuses(t, `${'A'.repeat(20)}.${'A'.repeat(20)}.${'A'.repeat(43)}`, /not a signed JWT/)
})

t.test('a token longer than the limit is refused unread, one at the limit is taken', async (t) => {
  const padded = async (length: number) => {
    let pad = length
    for (;;) {
      const token = await sign({ ...GOOD, pad: 'x'.repeat(pad) })
      if (token.length <= length) return token
      pad -= Math.ceil((token.length - length) / 2)
    }
  }
  const fits = await padded(MAX_TOKEN_BYTES)
  t.ok(fits.length > MAX_TOKEN_BYTES - 4)
  t.equal((await verify(fits)).sub, 'u_1')
  await refuses(t, await sign({ ...GOOD, pad: 'x'.repeat(MAX_TOKEN_BYTES) }), /at most 8192 bytes/)
  const startedAt = performance.now()
  await refuses(t, 'x'.repeat(50_000_000), /at most 8192 bytes/)
  t.ok(performance.now() - startedAt < 500)
})

t.test('a token has to say when it ends, and has ended at that moment', async (t) => {
  await refuses(t, await sign({ sub: 'u_1' }), /missing required "exp" claim/)
  await refuses(t, await sign({ ...GOOD, exp: now() - 1 }), /"exp" claim says that the token has ended/)
  await refuses(
    t,
    await sign({ ...GOOD, exp: Date.now() / 1000 - 0.01 }),
    /"exp" claim says that the token has ended/,
  )
  await refuses(t, await sign({ ...GOOD, exp: 0 }), /"exp"/)
  await refuses(
    t,
    rawToken({ alg: 'HS256' }, '{"sub":"u","exp":1e999}'),
    /"exp" claim must be a number of seconds/,
  )
  await refuses(
    t,
    rawToken({ alg: 'HS256' }, '{"sub":"u","exp":1e300}'),
    /"exp" claim must be a number of seconds/,
  )
  for (const exp of ['4000000000', null, true, [4e9], {}]) {
    await refuses(
      t,
      rawToken({ alg: 'HS256' }, JSON.stringify({ ...GOOD, exp })),
      /"exp" claim must be a number/,
    )
  }
  const short = await sign({ ...GOOD, exp: Date.now() / 1000 + 0.3 })
  await verify(short)
  await verify(short)
  await new Promise((resolve) => setTimeout(resolve, 310))
  await refuses(t, short, /"exp" claim says that the token has ended/)
})

t.test('a token that is not valid yet is refused, but for clocks that differ a little', async (t) => {
  await refuses(t, await sign({ ...GOOD, nbf: now() + 60 }), /"nbf" claim timestamp check failed/)
  await refuses(t, await sign({ ...GOOD, iat: now() + 60 }), /"iat" claim is in the future/)
  await refuses(
    t,
    rawToken({ alg: 'HS256' }, JSON.stringify({ ...GOOD, nbf: 'now' })),
    /"nbf" claim must be a number/,
  )
  await refuses(
    t,
    rawToken({ alg: 'HS256' }, JSON.stringify({ ...GOOD, iat: 'now' })),
    /"iat" claim must be a number/,
  )
  t.equal((await verify(await sign({ ...GOOD, nbf: now() + 3, iat: now() + 3 }))).sub, 'u_1')
})

t.test('issuer, audience and tenant are compared where they are configured', async (t) => {
  const mine = { issuer: 'https://id.example', audience: 'chat', tenantId: 't_1' }
  const good = { ...GOOD, iss: 'https://id.example', aud: 'chat', tenantId: 't_1' }
  const verifyMine = createVerifier({ secret: SECRET, ...mine })
  t.equal((await verifyMine(await sign(good))).tenantId, 't_1')
  t.equal((await verifyMine(await sign({ ...good, aud: ['x', 'chat'] }))).sub, 'u_1')
  t.equal((await verify(await sign(good))).sub, 'u_1', 'and not where they are not')

  const { iss: _i, ...noIssuer } = good
  const { aud: _a, ...noAudience } = good
  const { tenantId: _t, ...noTenant } = good
  await refuses(t, await sign(noIssuer), /missing required "iss" claim/, mine)
  await refuses(t, await sign(noAudience), /missing required "aud" claim/, mine)
  await refuses(t, await sign(noTenant), /"tenantId" claim is not the tenant of this server/, mine)
  for (const iss of ['https://id.example/', 'HTTPS://id.example', '', ['https://id.example'], null]) {
    await refuses(
      t,
      rawToken({ alg: 'HS256' }, JSON.stringify({ ...good, iss })),
      /unexpected "iss" claim/,
      mine,
    )
  }
  for (const aud of ['chat2', 'Chat', '', [], ['x'], [['chat']], { chat: 1 }, null]) {
    await refuses(
      t,
      rawToken({ alg: 'HS256' }, JSON.stringify({ ...good, aud })),
      /unexpected "aud" claim/,
      mine,
    )
  }
  for (const tenantId of ['t_2', 'T_1']) {
    await refuses(t, await sign({ ...good, tenantId }), /"tenantId" claim is not the tenant/, mine)
  }
})

t.test('a claim of the wrong type is named', async (t) => {
  const notNames = [
    null,
    1,
    true,
    [],
    {},
    ['x'],
    '',
    'a\nb',
    '\u0000',
    '\u0085',
    'é'.repeat(65),
    'x'.repeat(129),
    '\ud800',
  ]
  for (const claim of ['sub', 'role', 'workspaceId', 'shopId', 'tenantId']) {
    for (const value of notNames) {
      const token = rawToken({ alg: 'HS256' }, JSON.stringify({ ...GOOD, [claim]: value }))
      await refuses(t, token, new RegExp(`the "${claim}" claim must be a string of 1 to 128 bytes`))
    }
  }
  const { sub: _, ...noSub } = GOOD
  await refuses(t, await sign(noSub), /missing required "sub" claim/)
  // 80 bytes, but 240 characters in a channel's name.
  await refuses(t, await sign({ ...GOOD, sub: 'é'.repeat(40) }), /"sub"/)
  await refuses(
    t,
    await sign({ ...GOOD, workspaceId: 'w'.repeat(128), role: 'r'.repeat(128) }),
    /"role" claim is too long/,
  )

  for (const modules of [null, 'orders', {}, 1, true]) {
    await refuses(t, await sign({ ...GOOD, modules }), /"modules" claim must be an array/)
  }
  for (const module of [
    null,
    1,
    '',
    'Orders',
    'orders/x',
    'a b',
    '*',
    'x'.repeat(33),
    ['orders'],
    'ó',
    'orders\n',
  ]) {
    await refuses(
      t,
      await sign({ ...GOOD, modules: ['chat', module] }),
      /"modules\[1\]" claim must be a module name/,
    )
  }
  const many = Array.from({ length: 101 }, (_, i) => `m${i}`)
  await refuses(t, await sign({ ...GOOD, modules: many }), /"modules" claim must not name more than 100/)
})

t.test('a grant that is none is refused, with its place', async (t) => {
  for (const channels of [null, 'room:x', {}, 1]) {
    await refuses(t, await sign({ ...GOOD, channels }), /"channels" claim must be an array/)
  }
  for (const grant of [null, 1, true]) {
    await refuses(
      t,
      await sign({ ...GOOD, channels: ['room:x', grant] }),
      /"channels\[1\]" claim must be a channel, or an object/,
    )
  }
  for (const channel of [
    '',
    'room',
    'room:*',
    '*',
    'room:a b',
    'dm:b~a',
    'user:%61',
    undefined,
    null,
    1,
    ['room:x'],
  ]) {
    await refuses(
      t,
      await sign({ ...GOOD, channels: [{ channel, may: ['subscribe'] }] }),
      /"channels\[0\]" claim must name a channel/,
    )
  }
  for (const channel of ['room:x/orders', 'room:a~b', 'role:w_1', 'user:ana/chat']) {
    await refuses(
      t,
      await sign({ ...GOOD, channels: [channel] }),
      /"channels\[0\]" claim must name a channel as (room|role|user):/,
    )
  }
  for (const may of [
    undefined,
    null,
    'subscribe',
    {},
    ['read'],
    ['history'],
    ['Subscribe'],
    [null],
    [['publish']],
    ['*'],
  ]) {
    await refuses(
      t,
      await sign({ ...GOOD, channels: [{ channel: 'room:x', may }] }),
      /"channels\[0\]" claim must have "may"/,
    )
  }
})

t.test('names from Object.prototype are no claims', async (t) => {
  const token = rawToken(
    { alg: 'HS256' },
    `{"sub":"u","exp":${GOOD.exp},"__proto__":{"role":"service","modules":[]}}`,
  )
  const claims = await verify(token)
  t.equal(claims.role, undefined)
  t.equal(claims.modules, undefined)
})

t.test('a secret that can be guessed is refused before the first token', async (t) => {
  for (const secret of ['', 'secret', 'x'.repeat(31)]) {
    t.throws(() => createVerifier({ secret }), { message: /at least 32 are needed/ })
  }
  t.doesNotThrow(() => createVerifier({ secret: 'é'.repeat(16) }), 'bytes, not characters')
  t.throws(() => createVerifier({}), { message: /give one of them/ })
  t.throws(() => createVerifier({ secret: SECRET, jwksUrl: 'http://127.0.0.1:1/' }), {
    message: /give one of them/,
  })
})

t.test('verifiers of different secrets do not know each other’s tokens', async (t) => {
  const token = await sign({ ...GOOD, sub: randomUUID() })
  await verify(token)
  await refuses(t, token, /signature/, { secret: `${SECRET}.` })
})
