import t from 'tap'
import { bodyOf, serve } from './server.ts'

t.test('/healthz tells the uptime, the engine and the versions', async (t) => {
  const response = await serve(t).send('GET', '/healthz')
  t.match(bodyOf(response), {
    status: 'ok',
    uptime: Number,
    engine: 'ws',
    versions: { server: /^\d+\.\d+\.\d+/, protocol: 1, node: process.versions.node, postgres: '18.4' },
  })
  t.equal(response.headers?.['cache-control'], 'no-store')
})

t.test('/healthz does not ask the database', async (t) => {
  const { send } = serve(t, { databaseUp: () => false })
  t.equal((await send('GET', '/healthz')).status, 200)
})

t.test('/readyz is 200 while the database answers', async (t) => {
  const response = await serve(t).send('GET', '/readyz')
  t.equal(response.status, 200)
  t.strictSame(bodyOf(response), { status: 'ready', database: 'up' })
})

t.test('/readyz is 503 when it does not', async (t) => {
  const response = await serve(t, { databaseUp: () => false }).send('GET', '/readyz')
  t.equal(response.status, 503)
  t.strictSame(bodyOf(response), { status: 'unavailable', database: 'down' })
})

t.test('/readyz is 503 while the server stops', async (t) => {
  const response = await serve(t, { stopping: () => true }).send('GET', '/readyz')
  t.equal(response.status, 503)
  t.strictSame(bodyOf(response), { status: 'stopping' })
})

t.test('/metrics is the Prometheus text format', async (t) => {
  const { send, metrics } = serve(t)
  metrics.eventsAppended += 2
  const response = await send('GET', '/metrics')
  t.match(response.headers, { 'content-type': /^text\/plain; version=0\.0\.4/ })
  t.match(String(response.body), /^bitacora_events_appended_total 2$/m)
})

t.test('/ says what runs here', async (t) => {
  const { send } = serve(t)
  t.test('as text to a terminal', async (t) => {
    const { headers, body } = await send('GET', '/', { headers: { host: '10.0.0.7:3000', accept: '*/*' } })
    t.match(headers, { 'content-type': 'text/plain; charset=utf-8' })
    t.match(String(body), 'wscat -c ws://10.0.0.7:3000/ws')
    t.notMatch(String(body), /dev\/token/)
  })
  t.test('as a page to a browser, which may load nothing for it', async (t) => {
    const { headers, body } = await send('GET', '/', { headers: { accept: 'text/html,*/*' } })
    t.match(headers, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': /default-src 'none'/,
    })
    t.match(String(body), /^<!doctype html>/)
  })
  t.test('and repeats nothing of the host header that is no host', async (t) => {
    const { body } = await send('GET', '/', { headers: { host: '"><script>', accept: 'text/html' } })
    t.notMatch(String(body), /<script/)
  })
  t.test('with the way to a token in development mode', async (t) => {
    const { body } = await serve(t, { devTokens: { host: '::1', mint: async () => '' } }).send('GET', '/')
    t.match(String(body), /v1\/dev\/token/)
  })
})
