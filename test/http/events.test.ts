import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { bodyOf, serve, tokenOf } from './server.ts'

const token = await tokenOf({ sub: 'auditor', role: 'service' })
type Page = { epoch: string; next: number; events: { id: number }[] }

t.test('the log is read in pages, in order, and next is where to go on', async (t) => {
  const { send, log } = serve(t)
  for (let i = 1; i <= 5; i++) log.append(`room:r${i % 2}`, 'tick', `{"i": ${i}}`, 'ana')
  const first = bodyOf(await send('GET', '/v1/events?limit=3', { token })) as Page
  t.equal(first.epoch, 'epoch-1')
  t.strictSame(
    first.events.map(({ id }) => id),
    [1, 2, 3],
  )
  t.equal(first.next, 3)
  const second = bodyOf(await send('GET', `/v1/events?after=${first.next}&limit=3`, { token })) as Page
  t.strictSame(
    second.events.map(({ id }) => id),
    [4, 5],
  )
  const third = bodyOf(await send('GET', `/v1/events?after=${second.next}`, { token })) as Page
  t.strictSame(third, { epoch: 'epoch-1', next: 5, events: [] })
})

t.test('a payload is the very text that is stored', async (t) => {
  const { send, log } = serve(t)
  log.append('room:lobby', 'tick', '{"b":1,  "a":1.0}', 'ana', 'm-1')
  log.append('room:lobby', 'tick', 'null', 'ñ "x"')
  const { body } = await send('GET', '/v1/events', { token })
  t.ok(String(body).includes('"payload":{"b":1,  "a":1.0},"from":"ana","messageId":"m-1"'))
  t.match(bodyOf({ status: 200, body: body ?? '' }), { events: [{ seq: 1 }, { from: 'ñ "x"', seq: 2 }] })
})

t.test('it takes the role service or admin', async (t) => {
  const { send } = serve(t)
  t.equal((await send('GET', '/v1/events')).status, 401)
  t.equal((await send('GET', '/v1/events', { token: await tokenOf({ sub: 'ana' }) })).status, 403)
  t.equal(
    (await send('GET', '/v1/events', { token: await tokenOf({ sub: 'ana', role: 'agent' }) })).status,
    403,
  )
  t.equal(
    (await send('GET', '/v1/events', { token: await tokenOf({ sub: 'root', role: 'admin' }) })).status,
    200,
  )
})

t.test('waiting', async (t) => {
  t.test('ends with the first event', async (t) => {
    const { send, log } = serve(t, { longPollMs: 60_000 })
    const answer = send('GET', '/v1/events?wait=60000', { token })
    await delay(20)
    log.append('room:lobby', 'tick', '1', 'ana')
    t.match(bodyOf(await answer), { next: 1, events: [{ id: 1 }] })
    t.equal(log.waiting, 0)
  })
  t.test('ends with nothing when its time is over', async (t) => {
    const { send, log } = serve(t)
    t.match(bodyOf(await send('GET', '/v1/events?after=7&wait=30', { token })), { next: 7, events: [] })
    t.equal(log.waiting, 0)
  })
  t.test('is no longer than the server grants', async (t) => {
    const { send } = serve(t, { longPollMs: 20 })
    const started = Date.now()
    await send('GET', '/v1/events?wait=100000', { token })
    t.ok(Date.now() - started < 5000)
  })
  t.test('ends when the peer goes away, and when the server stops', async (t) => {
    for (const who of ['peer', 'server']) {
      const end = new AbortController()
      const { send, log } = serve(t, { longPollMs: 60_000, ...(who === 'server' && { stopped: end.signal }) })
      const options = who === 'peer' ? { token, signal: end.signal } : { token }
      const answer = send('GET', '/v1/events?wait=60000', options)
      await delay(20)
      end.abort()
      t.match(bodyOf(await answer), { events: [] }, who)
      t.equal(log.waiting, 0)
    }
  })
})

t.test('a cursor of another epoch is told so', async (t) => {
  const { send, log } = serve(t)
  log.append('room:lobby', 'tick', '1', 'ana')
  t.equal((await send('GET', '/v1/events?after=0&epoch=epoch-1', { token })).status, 200)
  const response = await send('GET', '/v1/events?after=0&epoch=epoch-0', { token })
  t.equal(response.status, 409)
  t.match(bodyOf(response), { error: { code: 'CONFLICT', details: { epoch: 'epoch-1' } } })
})

t.test('events never bear the epoch of a log that they are not of', async (t) => {
  const { send, log } = serve(t)
  const after = log.after.bind(log)
  let reads = 0
  log.after = async (id, limit) => {
    if (reads++ === 0) log.epoch = 'epoch-2'
    return after(id, limit)
  }
  t.match(bodyOf(await send('GET', '/v1/events', { token })), { epoch: 'epoch-2' })
  t.equal(reads, 2)
})

t.test('an answer is bounded by bytes, and the rest comes next', async (t) => {
  const { send, log } = serve(t)
  const payload = JSON.stringify('x'.repeat(1 << 20))
  for (let i = 0; i < 10; i++) log.append('room:lobby', 'tick', payload, 'ana')
  const page = bodyOf(await send('GET', '/v1/events?limit=1000', { token })) as Page
  t.ok(page.events.length >= 4 && page.events.length <= 5, String(page.events.length))
  t.equal(page.next, page.events.length)
})

t.test('a parameter that is not a number is refused by name', async (t) => {
  const { send } = serve(t)
  for (const query of ['after=-1', 'after=x', 'after=', 'after=1.5', 'limit=1e3', 'wait=9007199254740993']) {
    const response = await send('GET', `/v1/events?${query}`, { token })
    t.equal(response.status, 400, query)
    t.match(bodyOf(response), { error: { code: 'BAD_FRAME', details: { path: `?${query.split('=')[0]}` } } })
  }
})
