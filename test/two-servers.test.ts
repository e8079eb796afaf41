import t from 'tap'
import { testDatabase } from './postgres.ts'
import { testServer } from './server.ts'

t.test("two servers on one Postgres see each other's events, and a client resumes on either", async (t) => {
  const database = await testDatabase(t)
  const one = await testServer(t, {}, { database })
  const two = await testServer(t, {}, { database })
  const ana = await one.connect({ sub: 'ana' }, { channels: ['room:a'] })
  const bob = await two.connect({ sub: 'bob' }, { channels: ['room:a'] })
  const say = (from: typeof ana, n: number) =>
    from.request({ op: 'publish', channel: 'room:a', type: 'note', payload: n })
  // Both publish at once: the appends of both are one log.
  await Promise.all([1, 2, 3, 4, 5].flatMap((n) => [say(ana, n), say(bob, -n)]))
  await Promise.all([ana.eventCount(10), bob.eventCount(10)])
  t.same(ana.events, bob.events)
  t.same(
    ana.events.map(({ id, seq }) => [id, seq]),
    Array.from({ length: 10 }, (_, i) => [i + 1, i + 1]),
  )

  const { epoch } = await (await one.open()).hello(await one.token())
  const again = await two.connect({ sub: 'ana' }, { channels: ['room:a'], lastEventId: 4, epoch })
  await again.take('live')
  t.same(again.events, ana.events.slice(4))
})
