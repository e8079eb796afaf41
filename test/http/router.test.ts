import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { ERRORS, ProtocolError } from '../../protocol/v1/errors.ts'
import { corsHeaders } from '../../src/http/cors.ts'
import type { Route } from '../../src/http/route.ts'
import { routerOf } from '../../src/http/router.ts'
import { bodyOf, type SendOptions, serve, tokenOf } from './server.ts'

const APP = 'https://app.example'

t.test('what is not there is 404, and what is not done there 405 with allow', async (t) => {
  const { send, metrics } = serve(t)
  const missing = await send('GET', '/nothing')
  t.equal(missing.status, 404)
  t.match(bodyOf(missing), { error: { code: 'UNKNOWN_OP', message: String, retry: false } })
  for (const path of ['/healthz/', '//healthz', '/HEALTHZ', '/v1', '/__proto__', '/constructor', '/%2e']) {
    t.equal((await send('GET', path)).status, 404, path)
  }
  const wrong = await send('DELETE', '/v1/publish')
  t.equal(wrong.status, 405)
  t.equal(wrong.headers?.allow, 'POST, OPTIONS')
  t.match(bodyOf(wrong), { error: { code: 'UNKNOWN_OP' } })
  t.equal((await send('POST', '/healthz')).headers?.allow, 'GET, HEAD, OPTIONS')
  t.ok(metrics.httpResponses.of('404') > 0)
})

t.test('HEAD is GET without the body', async (t) => {
  const response = await serve(t).send('HEAD', '/healthz')
  t.equal(response.status, 200)
  t.equal(response.body, undefined)
  t.match(response.headers, { 'content-type': /json/ })
})

t.test('every code of the table has the status of the table', async (t) => {
  const { metrics } = serve(t)
  const log = { warn() {}, error() {} } as never
  for (const [code, { http, retry }] of Object.entries(ERRORS) as [
    keyof typeof ERRORS,
    { http: number; retry: boolean },
  ][]) {
    const route: Route = {
      method: 'GET',
      path: '/',
      handle: () => {
        throw new ProtocolError(code, 'because', { x: 1 })
      },
    }
    const send = routerOf([route], { allowedOrigins: undefined, metrics, log })
    const response = await send(requestTo('/'))
    t.equal(response.status, http, code)
    t.strictSame(bodyOf(response), { error: { code, message: 'because', retry, details: { x: 1 } } })
    t.equal(response.headers?.['www-authenticate'] !== undefined, http === 401, code)
  }
})

t.test('a failure that nobody foresaw is told as INTERNAL and logged', async (t) => {
  const { send, logged } = serve(t, {
    stopping: () => {
      throw new Error('the reason')
    },
  })
  const response = await send('GET', '/readyz?token=t')
  t.equal(response.status, 500)
  t.strictSame(bodyOf(response), { error: { code: 'INTERNAL', message: 'The server failed.', retry: true } })
  t.match(logged, [{ fields: { err: { message: 'the reason' }, path: '/readyz' } }])
  t.notMatch(JSON.stringify(logged), /token=t/)
})

t.test('bearer tokens are taken strictly', async (t) => {
  const { send } = serve(t)
  const token = await tokenOf({ sub: 'svc', role: 'service' })
  const status = async (options: SendOptions) => (await send('GET', '/v1/events', options)).status
  t.equal(await status({ headers: { authorization: `bearer ${token}` } }), 200)
  for (const header of [
    '',
    token,
    `Basic ${token}`,
    `Bearer ${token} x`,
    `Bearer "${token}"`,
    'Bearer',
    `Bearer ${token},`,
  ]) {
    const response = await send('GET', '/v1/events', { headers: { authorization: header } })
    t.equal(response.status, 401, header.slice(0, 12))
    t.match(bodyOf(response), { error: { code: 'AUTH_FAILED' } })
    t.equal(response.headers?.['www-authenticate'], 'Bearer realm="bitacora", error="invalid_token"')
  }
  const none = await send('GET', `/v1/events?token=${token}&access_token=${token}`)
  t.equal(none.status, 401)
  t.equal(none.headers?.['www-authenticate'], 'Bearer realm="bitacora"')
  t.match(bodyOf(none), { error: { code: 'UNAUTHENTICATED' } })
  t.equal(await status({ token: `${token.slice(0, -4)}AAAA` }), 401)
  const ended = await tokenOf({ sub: 'svc', role: 'service' }, 0.001)
  await delay(10)
  t.equal(await status({ token: ended }), 401)
})

t.test('CORS', async (t) => {
  const origins = new Set([APP])
  const preflight = {
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization',
  }

  t.test('without a list every page may read the answers', async (t) => {
    const response = await serve(t).send('GET', '/healthz', { headers: { origin: APP } })
    t.equal(response.headers?.['access-control-allow-origin'], '*')
    t.equal(response.headers?.['access-control-allow-credentials'], undefined)
  })
  t.test('with a list the pages on it, and caches keep them apart', async (t) => {
    const { send } = serve(t, { allowedOrigins: origins })
    const on = await send('GET', '/healthz', { headers: { origin: APP } })
    t.match(on.headers, { 'access-control-allow-origin': APP, vary: 'origin' })
    const off = await send('GET', '/healthz', { headers: { origin: 'https://evil.example' } })
    t.equal(off.status, 200)
    t.equal(off.headers?.['access-control-allow-origin'], undefined)
    t.equal(off.headers?.vary, 'origin')
  })
  t.test('errors can be read too', async (t) => {
    const { send } = serve(t, { allowedOrigins: origins })
    for (const path of ['/nothing', '/v1/events']) {
      const response = await send('GET', path, { headers: { origin: APP } })
      t.equal(response.headers?.['access-control-allow-origin'], APP, path)
    }
  })
  t.test('a preflight is answered without a token', async (t) => {
    const { send } = serve(t, { allowedOrigins: origins })
    const on = await send('OPTIONS', '/v1/publish', { headers: { origin: APP, ...preflight } })
    t.equal(on.status, 204)
    t.match(on.headers, {
      'access-control-allow-origin': APP,
      'access-control-allow-methods': 'POST, OPTIONS',
      'access-control-allow-headers': 'authorization, content-type',
    })
    const off = await send('OPTIONS', '/v1/publish', {
      headers: { origin: 'https://evil.example', ...preflight },
    })
    t.equal(off.headers?.['access-control-allow-origin'], undefined)
    t.match((await send('OPTIONS', '/v1/publish')).headers, { allow: 'POST, OPTIONS' })
  })
  t.test('an origin is compared byte for byte', async (t) => {
    for (const origin of [
      'https://app.example.evil.example',
      'https://APP.example',
      'http://app.example',
      'null',
    ]) {
      t.strictSame(corsHeaders({ ...requestTo('/'), headers: new Map([['origin', origin]]) }, origins), {
        vary: 'origin',
      })
    }
  })
})

function requestTo(path: string) {
  return {
    method: 'GET',
    path,
    query: new URLSearchParams(),
    headers: new Map<string, string>(),
    body: new Uint8Array(),
    ip: '127.0.0.1',
    signal: new AbortController().signal,
  }
}
