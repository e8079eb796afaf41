import t from 'tap'
import { mintToken } from '../../src/access/mint-token.ts'
import { createVerifier } from '../../src/access/verify-token.ts'
import type { DevTokenDeps } from '../../src/http/dev-token.ts'
import { bodyOf, serve } from './server.ts'

const SECRET = 'the development secret of this directory'
const verify = createVerifier({ secret: SECRET })
const devTokens: DevTokenDeps = {
  host: '127.0.0.1',
  mint: (claims, ttlSeconds) => mintToken(SECRET, claims, { ttlSeconds }),
}
const local = { devTokens, verify }
const ask = (body: unknown, headers = {}, ip = '127.0.0.1') => ({ body, headers, ip })
const path = '/v1/dev/token'

t.test('outside of development mode there is no such route', async (t) => {
  t.equal((await serve(t).send('POST', path, ask({ sub: 'ana' }))).status, 404)
})

t.test('a token for the asking', async (t) => {
  const { send } = serve(t, local)
  const before = Date.now()
  const response = await send('POST', path, ask({ sub: 'ana', ttl: 60 }))
  t.equal(response.status, 200)
  const { token, sub, expiresAt } = bodyOf(response) as { token: string; sub: string; expiresAt: number }
  t.equal(sub, 'ana')
  t.ok(expiresAt >= before + 60_000 && expiresAt <= Date.now() + 60_000)
  t.match(await verify(token), { sub: 'ana', role: undefined })
})

t.test('on this machine with any claims', async (t) => {
  const { send } = serve(t, local)
  const claims = { sub: 'bob', role: 'agent', workspaceId: 'w', shopId: 's_1', modules: ['orders'] }
  for (const headers of [{}, { origin: 'http://localhost:5173' }, { origin: 'http://[::1]:3000' }]) {
    const { token } = bodyOf(await send('POST', path, ask(claims, headers))) as { token: string }
    t.match(await verify(token), claims)
  }
})

t.test('from elsewhere plain users only', async (t) => {
  const elsewhere: [string, Record<string, string>, string, string][] = [
    ['another machine', {}, '192.168.1.7', '127.0.0.1'],
    ['a server that is open to the network', {}, '127.0.0.1', '0.0.0.0'],
    ['a page of another site', { origin: 'https://evil.example' }, '127.0.0.1', '127.0.0.1'],
    ['a page without an origin', { origin: 'null' }, '127.0.0.1', '127.0.0.1'],
    ['a page that calls this machine by another name', { host: 'evil.example' }, '127.0.0.1', '127.0.0.1'],
    [
      'a page of another site, without an origin',
      { 'sec-fetch-site': 'cross-site' },
      '127.0.0.1',
      '127.0.0.1',
    ],
    ['behind a proxy of another habit', { 'x-real-ip': '127.0.0.1' }, '127.0.0.1', '127.0.0.1'],
    ['behind a proxy', { 'x-forwarded-for': '127.0.0.1' }, '127.0.0.1', '127.0.0.1'],
  ]
  for (const [name, headers, ip, host] of elsewhere) {
    const { send } = serve(t, { verify, devTokens: { ...devTokens, host } })
    t.equal((await send('POST', path, ask({ sub: 'ana' }, headers, ip))).status, 200, name)
    for (const right of [{ role: 'admin' }, { shopId: 's_1' }, { channels: [] }, { modules: [] }]) {
      const response = await send('POST', path, ask({ sub: 'ana', ...right }, headers, ip))
      t.equal(response.status, 403, `${name}: ${Object.keys(right)}`)
    }
  }
})

t.test('a claim that the server would refuse is refused by name', async (t) => {
  const { send } = serve(t, local)
  const bad: [object | string, string][] = [
    [{}, '/sub'],
    [{ sub: '' }, '/sub'],
    [{ sub: 7 }, '/sub'],
    [{ sub: 'a\u0000b' }, '/sub'],
    [{ sub: 'ana', role: ['admin'] }, '/role'],
    [{ sub: 'ana', modules: 'orders' }, '/modules'],
    [{ sub: 'ana', ttl: 0 }, '/ttl'],
    [{ sub: 'ana', ttl: '60' }, '/ttl'],
    [{ sub: 'ana', ttl: 1e9 }, '/ttl'],
    ['[]', ''],
    ['null', ''],
  ]
  for (const [body, place] of bad) {
    const response = await send('POST', path, ask(body))
    t.equal(response.status, 400, JSON.stringify(body))
    t.match(bodyOf(response), { error: { code: 'BAD_FRAME', details: { path: place } } })
  }
  t.equal((await send('POST', path, ask('sub=ana'))).status, 400)
})
