import t from 'tap'
import { BOTH, inEachVariant, newRoom } from '../server.ts'

const LIFE_S = 1.5
const NOTICE_MS = 1_000

inEachVariant(
  t,
  BOTH,
  { EXPIRING_NOTICE_MS: String(NOTICE_MS) },
  async (t, server) => {
    const open = async () => {
      const client = await server.open()
      const { expiresAt } = await client.hello(await server.token({}, LIFE_S))
      await client.take('live')
      return { client, expiresAt }
    }
    // They share the time that it takes.
    const [ended, renewed, refused] = await Promise.all([open(), open(), open()])

    await t.test('the end of a token is announced, and is the end of the connection', async (t) => {
      t.strictSame(await ended.client.take('expiring'), { op: 'expiring', expiresAt: ended.expiresAt })
      t.ok(Date.now() >= ended.expiresAt - NOTICE_MS - 100, 'not too early')

      await t.test('a renewal goes on without a word', async (t) => {
        await renewed.client.take('expiring')
        const token = await server.token({}, 30)
        const ok = await renewed.client.request({ op: 'auth', token })
        t.match(ok, { op: 'ok' })
        t.ok(Math.abs(ok.expiresAt - Date.now() - 30_000) < 5_000)
      })

      await t.test('a refused renewal leaves the token in force', async (t) => {
        await refused.client.take('expiring')
        for (const token of [await server.token({ sub: 'eva' }), 'nonsense', await server.token({}, 0.001)]) {
          t.match(await refused.client.request({ op: 'auth', token }), {
            op: 'error',
            code: 'AUTH_FAILED',
            retry: false,
          })
        }
        t.match(await refused.client.request({ op: 'auth' }), {
          code: 'BAD_FRAME',
          details: { path: '/token' },
        })
        t.equal((await refused.client.publish(newRoom(), 1)).op, 'ok')
      })

      for (const { client, expiresAt } of [ended, refused]) {
        t.equal(await client.closed, 4401)
        t.ok(Date.now() >= expiresAt, 'not before the end')
        t.ok(Date.now() < expiresAt + 2_000, 'and soon after')
        t.match(client.frames.at(-1), { op: 'bye', code: 4401, reconnect: false })
        t.equal(client.ops().filter((op) => op === 'expiring').length, 1)
      }
      await renewed.client.settle()
      t.equal(renewed.client.ops().filter((op) => op === 'expiring').length, 1)
    })

    await t.test('a renewed token is announced again when it ends', async (t) => {
      await renewed.client.request({ op: 'auth', token: await server.token({}, NOTICE_MS / 1_000) })
      await renewed.client.take('expiring')
      t.equal(renewed.client.socket.readyState, 1)
    })
  },
  { atOnce: true },
)
