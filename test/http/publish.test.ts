import t from 'tap'
import { ProtocolError } from '../../protocol/v1/errors.ts'
import { bodyOf, serve, tokenOf } from './server.ts'

const service = await tokenOf({ sub: 'shop-backend', role: 'service' })
const event = (text: string) => ({ channel: 'room:lobby', type: 'message:send', payload: { text } })
const post = (body: unknown, token = service) => ({ token, body })

t.test('one event is answered with its ack after the commit', async (t) => {
  const { send, log } = serve(t)
  const response = await send('POST', '/v1/publish', post({ ...event('hi'), messageId: 'm-1' }))
  t.equal(response.status, 200)
  t.match(bodyOf(response), {
    ok: { channel: 'room:lobby', eventId: 1, seq: 1, messageId: 'm-1', ts: Number },
  })
  t.match(log.events, [{ from: 'shop-backend', payload: '{"text":"hi"}' }])
})

t.test('a user publishes under the claims of the token', async (t) => {
  const { send, log } = serve(t)
  await send('POST', '/v1/publish', post(event('hi'), await tokenOf({ sub: 'ana' })))
  t.match(log.publishers, [{ sub: 'ana', role: undefined }])
})

t.test('the events of an array are appended in its order', async (t) => {
  const { send, log } = serve(t)
  const response = await send('POST', '/v1/publish', post([event('a'), event('b'), event('c')]))
  t.equal(response.status, 200)
  t.match(bodyOf(response), {
    results: [{ ok: { eventId: 1 } }, { ok: { eventId: 2 } }, { ok: { eventId: 3 } }],
  })
  t.strictSame(
    log.events.map(({ payload }) => JSON.parse(payload).text),
    ['a', 'b', 'c'],
  )
})

t.test('an empty array is nothing to do', async (t) => {
  const { send } = serve(t)
  const response = await send('POST', '/v1/publish', post([]))
  t.equal(response.status, 200)
  t.strictSame(bodyOf(response), { results: [] })
})

t.test('a bad event of an array is refused alone, in its place', async (t) => {
  const { send, log, metrics } = serve(t)
  log.failures.set('forbidden', new ProtocolError('FORBIDDEN', 'not allowed'))
  const deep = `{"channel":"room:lobby","type":"a","payload":${'['.repeat(40)}${']'.repeat(40)}}`
  const large = JSON.stringify(event('x'.repeat(70_000)))
  const body = [
    JSON.stringify(event('a')),
    '{"channel":"room:lobby","type":"message:send"}',
    '{"channel":"nowhere","type":"a","payload":1}',
    '{"channel":"room:lobby","type":"Not a type","payload":1}',
    deep,
    '{"channel":"room:lobby","type":"a","payload":"\\u0000"}',
    '{"channel":"room:lobby","type":"a","payload":{"\\ud800":1}}',
    '{"channel":"room:lobby","type":"forbidden","payload":1}',
    large,
    '{"channel":"room:lobby","type":"a","payload":1,"messageId":""}',
    JSON.stringify(event('b')),
  ]
  const response = await send('POST', '/v1/publish', post(`[${body.join(',')}]`))
  t.equal(response.status, 207)
  t.match(bodyOf(response), {
    results: [
      { ok: { eventId: 1 } },
      { error: { code: 'INVALID_PAYLOAD', retry: false, message: /missing/ } },
      { error: { code: 'INVALID_CHANNEL' } },
      { error: { code: 'BAD_FRAME', details: { path: '/type' } } },
      { error: { code: 'INVALID_PAYLOAD', message: /deeper/ } },
      { error: { code: 'INVALID_PAYLOAD', message: /NUL/ } },
      { error: { code: 'INVALID_PAYLOAD', message: /surrogate/ } },
      { error: { code: 'FORBIDDEN' } },
      { error: { code: 'TOO_LARGE' } },
      { error: { code: 'BAD_FRAME', details: { path: '/messageId' } } },
      { ok: { eventId: 2 } },
    ],
  })
  t.equal(log.events.length, 2)
  t.equal(metrics.errors.of('INVALID_PAYLOAD'), 4)
})

t.test('one refused event has the status of its error', async (t) => {
  const { send, log } = serve(t)
  const refusals = [
    ['UNAVAILABLE', 503],
    ['IDEMPOTENCY_CONFLICT', 409],
    ['FORBIDDEN', 403],
    ['RATE_LIMITED', 429],
  ] as const
  for (const [code, status] of refusals) {
    log.failures.set('message:send', new ProtocolError(code, 'because'))
    for (const body of [event('a'), [event('a')], [event('a'), event('b')]]) {
      const response = await send('POST', '/v1/publish', post(body))
      t.equal(response.status, status, code)
      if (!Array.isArray(body)) t.match(bodyOf(response), { error: { code, message: 'because' } })
      else t.match(bodyOf(response), { results: body.map(() => ({ error: { code } })) })
      t.equal(response.headers?.['retry-after'], status === 503 || status === 429 ? '1' : undefined)
    }
  }
})

t.test('RATE_LIMITED says when to come back', async (t) => {
  const { send, log } = serve(t)
  const details = { limit: 60, windowMs: 60_000, resetAt: Date.now() + 30_000 }
  log.failures.set('message:send', new ProtocolError('RATE_LIMITED', 'too many', details))
  const response = await send('POST', '/v1/publish', post(event('a')))
  t.match(Number(response.headers?.['retry-after']), 30)
  t.match(bodyOf(response), { error: { retry: true, details } })
})

t.test('a body that is not JSON is refused whole, and nothing of it is published', async (t) => {
  const { send, log } = serve(t)
  const good = JSON.stringify(event('a'))
  const bodies = ['', 'x', '{', `[${good}`, `[${good},]`, `[${good},{]`, `${good} ${good}`, 'text=hi']
  for (const body of [...bodies, Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d]), Buffer.from('\ufeff{}')]) {
    const response = await send('POST', '/v1/publish', post(body))
    t.equal(response.status, 400, String(body))
    t.match(bodyOf(response), { error: { code: 'BAD_FRAME' } })
  }
  t.equal(log.publishers.length, 0)
})

t.test('what is JSON and no event is refused', async (t) => {
  const { send } = serve(t)
  for (const body of ['null', '1', '"x"', '[null]', '[[]]', '{}', '{"channel":1}']) {
    const response = await send('POST', '/v1/publish', post(body))
    t.equal(response.status, 400, body)
  }
})

t.test('more than 1,000 events are refused whole', async (t) => {
  const { send, log } = serve(t)
  const response = await send('POST', '/v1/publish', post(Array.from({ length: 1001 }, () => event('a'))))
  t.equal(response.status, 413)
  t.match(bodyOf(response), { error: { code: 'TOO_LARGE', details: { max: 1000 } } })
  t.equal(log.events.length, 0)
})

t.test('op and id in an event are nobody’s business', async (t) => {
  const { send } = serve(t)
  const response = await send('POST', '/v1/publish', post({ ...event('a'), op: 'hello', id: 'x' }))
  t.equal(response.status, 200)
})

t.test('__proto__ in a body is harmless', async (t) => {
  const { send, log } = serve(t)
  const body = '{"__proto__":{"channel":"room:lobby","type":"a","payload":1}}'
  t.equal((await send('POST', '/v1/publish', post(body))).status, 400)
  const inPayload = '{"channel":"room:lobby","type":"a","payload":{"__proto__":{"x":1}}}'
  t.match(bodyOf(await send('POST', '/v1/publish', post(inPayload))), { error: { code: 'INVALID_PAYLOAD' } })
  t.equal(log.events.length, 0)
  t.equal(({} as { x?: unknown }).x, undefined)
})

t.test('what nobody foresaw is logged, and the peer is told INTERNAL without details', async (t) => {
  const { send, log, logged } = serve(t)
  log.failures.set('message:send', new Error('secret internals'))
  const response = await send('POST', '/v1/publish', post([event('a')]))
  t.equal(response.status, 500)
  t.notMatch(String(response.body), /secret internals/)
  t.match(logged, [{ fields: { err: { message: 'secret internals' } } }])
})
