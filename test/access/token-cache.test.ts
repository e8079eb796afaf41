import t from 'tap'
import type { Claims } from '../../src/access/claims.ts'
import { createTokenCache } from '../../src/access/token-cache.ts'

const claims = (sub: string, lifeMs = 60_000): Claims => ({
  sub,
  role: undefined,
  exp: (Date.now() + lifeMs) / 1000,
})
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

t.test('a token is remembered until it ends, to the millisecond', async (t) => {
  const cache = createTokenCache()
  const ana = claims('ana', 80)
  cache.set('token of ana', ana)
  t.equal(cache.get('token of ana'), ana)
  t.equal(cache.get('token of bob'), undefined)
  await wait(90)
  t.equal(cache.get('token of ana'), undefined)
})

t.test('a token is remembered for no longer than the age', async (t) => {
  const cache = createTokenCache(10, 50)
  cache.set('token', claims('ana'))
  t.ok(cache.get('token'))
  await wait(60)
  t.equal(cache.get('token'), undefined)
})

t.test('the oldest makes room for the newest', async (t) => {
  const cache = createTokenCache(3)
  for (const name of ['a', 'b', 'c', 'd']) cache.set(name, claims(name))
  t.same(
    ['a', 'b', 'c', 'd'].map((name) => cache.get(name)?.sub),
    [undefined, 'b', 'c', 'd'],
  )
  cache.clear()
  t.equal(cache.get('d'), undefined)
})
