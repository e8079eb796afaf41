import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { testServer } from '../server.ts'

const event = (n: number) => ({ channel: 'room:lobby', type: 'tick', payload: { n } })

for (const engine of ['uws', 'ws']) {
  t.test(`over ${engine}`, async (t) => {
    const server = await testServer(t, {
      ENGINE: engine,
      ALLOWED_ORIGINS: 'https://app.example',
      MAX_BODY_BYTES: '200000',
    })
    const token = await server.token({ sub: 'backend', role: 'service' })
    const authorization = `Bearer ${token}`
    const get = (path: string, init: RequestInit = {}) =>
      fetch(server.http + path, { ...init, headers: { authorization, ...init.headers } })
    const publish = (body: unknown) => get('/v1/publish', { method: 'POST', body: JSON.stringify(body) })

    t.test('an array of events is stored in its order and read back unchanged', async (t) => {
      const events = Array.from({ length: 300 }, (_, n) => event(n))
      const answer = await publish(events)
      t.equal(answer.status, 200)
      const { results } = (await answer.json()) as { results: { ok: { eventId: number } }[] }
      t.strictSame(
        results.map(({ ok }) => ok.eventId),
        events.map((_, n) => n + 1),
      )
      const page = await (await get('/v1/events?after=0&limit=1000')).json()
      t.match(page, {
        next: 300,
        events: events.map((published, n) => ({ id: n + 1, ...published, from: 'backend' })),
      })
    })

    t.test('repeated, it is stored once', async (t) => {
      const body = { ...event(1), messageId: 'once' }
      const first = (await (await publish(body)).json()) as { ok: { eventId: number } }
      const second = await (await publish(body)).json()
      t.match(second, { ok: { eventId: first.ok.eventId, duplicate: true } })
      t.equal((await publish({ ...event(2), messageId: 'once' })).status, 409)
    })

    t.test('who waits gets the event as it comes', async (t) => {
      const { next } = (await (await get('/v1/events?after=0&limit=1000')).json()) as { next: number }
      const waiting = get(`/v1/events?after=${next}&wait=20000`)
      await delay(50)
      await publish(event(7))
      t.match(await (await waiting).json(), { next: next + 1, events: [{ payload: { n: 7 } }] })
    })

    t.test('who gives up waiting leaves nothing behind', async (t) => {
      await t.rejects(get('/v1/events?after=1000000&wait=20000', { signal: AbortSignal.timeout(50) }))
      t.equal((await get('/healthz')).status, 200)
    })

    t.test('a user publishes with the rights of a user', async (t) => {
      const headers = { authorization: `Bearer ${await server.token({ sub: 'ana' })}` }
      const post = (channel: string) =>
        get('/v1/publish', { method: 'POST', headers, body: JSON.stringify({ ...event(1), channel }) })
      t.equal((await post('room:lobby')).status, 200)
      t.equal((await post('user:bob')).status, 403)
      t.equal((await get('/v1/events', { headers })).status, 403)
    })

    t.test('statuses: too large, unknown, not allowed, no token', async (t) => {
      const large = await publish('x'.repeat(300_000)).catch((error: Error) => error)
      // An engine may end the connection before the body has been sent.
      if (!(large instanceof Error)) t.equal(large.status, 413)
      t.equal((await publish({ ...event(1), payload: 'x'.repeat(100_000) })).status, 413)
      t.equal((await get('/nothing')).status, 404)
      t.equal((await get('/healthz', { method: 'DELETE' })).headers.get('allow'), 'GET, HEAD, OPTIONS')
      const none = await fetch(`${server.http}/v1/events`)
      t.equal(none.status, 401)
      t.match(none.headers.get('www-authenticate'), /^Bearer/)
      t.equal((await get('/v1/dev/token', { method: 'POST', body: '{"sub":"x"}' })).status, 404)
    })

    t.test('pages of the allowed origin may read the answers', async (t) => {
      const preflight = await fetch(`${server.http}/v1/publish`, {
        method: 'OPTIONS',
        headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
      })
      t.equal(preflight.status, 204)
      t.equal(preflight.headers.get('access-control-allow-origin'), 'https://app.example')
      const other = await get('/healthz', { headers: { origin: 'https://evil.example' } })
      t.equal(other.headers.get('access-control-allow-origin'), null)
    })

    t.test('health, readiness, metrics and a page', async (t) => {
      t.match(await (await get('/healthz')).json(), { status: 'ok', engine, versions: { postgres: /^\d+/ } })
      t.match(await (await get('/readyz')).json(), { status: 'ready', database: 'up' })
      const metrics = await (await get('/metrics')).text()
      t.match(metrics, /^bitacora_events_appended_total [1-9]/m)
      t.match(metrics, /^bitacora_append_batch_events_count [1-9]/m)
      t.match(metrics, `bitacora_connections{engine="${engine}",encoding="json"} 0`)
      t.match(metrics, /^bitacora_database_up 1$/m)
      t.match(await (await get('/')).text(), server.url)
      t.equal((await get('/healthz', { method: 'HEAD' })).status, 200)
    })
  })
}
