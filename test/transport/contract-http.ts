import { connect as connectTcp } from 'node:net'
import t from 'tap'
import type { HttpRequest } from '../../src/transport/transport.ts'
import { connect, type Engine, OPTIONS, serve, until } from './fixture.ts'

export function http(engine: Engine): void {
  t.test('a request is handed up whole, and its answer goes out as it is', async (t) => {
    const served = await serve(t, engine, {
      request: async () => ({
        status: 201,
        headers: { 'content-type': 'text/plain; charset=utf-8', 'x-trace': 'abc' },
        body: 'señal 🐦',
      }),
    })
    const response = await fetch(`${served.http}/v1/channels/a%20b/events?after=5&tag=a&tag=%C3%B1`, {
      method: 'POST',
      headers: { Authorization: 'Bearer x', 'X-Long': 'y'.repeat(3000) },
      body: '{"a":"ñ"}',
    })
    t.equal(response.status, 201)
    t.equal(response.statusText, 'Created')
    t.equal(response.headers.get('x-trace'), 'abc')
    t.equal(response.headers.get('content-type'), 'text/plain; charset=utf-8')
    t.equal(await response.text(), 'señal 🐦')
    const request = served.requests[0]!
    t.equal(request.method, 'POST')
    t.equal(request.path, '/v1/channels/a%20b/events')
    t.same([request.query.get('after'), request.query.getAll('tag')], ['5', ['a', 'ñ']])
    t.equal(request.headers.get('authorization'), 'Bearer x')
    t.equal(request.headers.get('x-long')?.length, 3000)
    t.equal(request.headers.get('absent'), undefined)
    t.equal(Buffer.from(request.body).toString(), '{"a":"ñ"}')
    t.equal(request.ip, '127.0.0.1')
    t.equal(request.signal.aborted, false)
  })

  t.test('all methods, with and without a body', async (t) => {
    const served = await serve(t, engine, {
      request: async ({ method, body }) => ({ status: 200, body: `${method} ${body.length}` }),
    })
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const response = await fetch(`${served.http}/?`, { method })
      t.equal(await response.text(), `${method} 0`)
    }
    const withBody = await fetch(served.http, { method: 'DELETE', body: 'why' })
    t.equal(await withBody.text(), 'DELETE 3')
    t.equal(served.requests[0]!.query.size, 0)
  })

  t.test('HEAD tells the length and sends no body', async (t) => {
    const served = await serve(t, engine, { request: async () => ({ status: 200, body: 'twelve bytes' }) })
    const answer = await exchange(
      served.transport.port,
      'HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    )
    t.match(answer, /content-length: 12\r\n/i)
    t.ok(answer.endsWith('\r\n\r\n'))
    const head = 'HEAD / HTTP/1.1\r\nHost: x\r\n\r\n'
    const last = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
    const three = await exchange(served.transport.port, head + head + last, head.length)
    t.equal(three.split('HTTP/1.1 200 OK').length, 4, 'the connection can be used on')
    t.ok(three.endsWith('\r\n\r\ntwelve bytes'))
  })

  t.test('204 has neither a body nor a length', async (t) => {
    const served = await serve(t, engine, { request: async () => ({ status: 204 }) })
    const request = 'OPTIONS / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
    const answer = await exchange(served.transport.port, request)
    t.match(answer, /^HTTP\/1\.1 204 No Content\r\n/)
    t.notMatch(answer, /content-length|transfer-encoding/i)
  })

  t.test('bytes go both ways unchanged', async (t) => {
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, index) => index & 0xff))
    const served = await serve(t, engine, { request: async ({ body }) => ({ status: 200, body }) })
    const response = await fetch(served.http, { method: 'POST', body: bytes })
    t.ok(Buffer.from(await response.arrayBuffer()).equals(bytes))
  })

  t.test('a body in chunks is one body', async (t) => {
    const served = await serve(t, engine, { request: async ({ body }) => ({ status: 200, body }) })
    const stream = new ReadableStream({
      async pull(controller) {
        for (const part of ['one, ', 'two, ', 'x'.repeat(50_000)]) {
          controller.enqueue(Buffer.from(part))
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
        controller.close()
      },
    })
    const response = await fetch(served.http, { method: 'POST', body: stream, duplex: 'half' } as RequestInit)
    t.equal(await response.text(), `one, two, ${'x'.repeat(50_000)}`)
  })

  t.test('a body over the limit gets 413, and the listener is not asked', async (t) => {
    const served = await serve(t, engine, {
      request: async ({ body }) => ({ status: 200, body: `${body.length}` }),
    })
    const post = (bytes: number) => fetch(served.http, { method: 'POST', body: 'x'.repeat(bytes) })
    t.equal(await (await post(OPTIONS.maxBodyBytes)).text(), String(OPTIONS.maxBodyBytes))
    for (const bytes of [OPTIONS.maxBodyBytes + 1, 3_000_000]) {
      const response = await post(bytes)
      t.equal(response.status, 413)
      t.match(response.headers.get('content-type'), 'application/json')
      t.match(await response.json(), { error: { code: 'TOO_LARGE', message: String } })
    }
    const chunk = `${(60_000).toString(16)}\r\n${'x'.repeat(60_000)}\r\n`
    const chunked = await exchange(
      served.transport.port,
      `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${chunk}${chunk}0\r\n\r\n`,
    )
    t.match(chunked, /^HTTP\/1\.1 413 /)
    const announced = await exchange(
      served.transport.port,
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n',
    )
    t.match(announced, /^HTTP\/1\.1 413 [\s\S]*connection: close/i)
    t.equal(served.requests.length, 1)
    t.equal((await post(5)).status, 200)
  })

  t.test('the signal is aborted when the peer goes away, and only then', async (t) => {
    let release = () => {}
    const served = await serve(t, engine, {
      request: () => new Promise((resolve) => (release = () => resolve({ status: 200, body: 'late' }))),
    })
    const answered = fetch(`${served.http}/patient`)
    await until(() => served.requests.length === 1)
    release()
    t.equal(await (await answered).text(), 'late')
    const controller = new AbortController()
    const broken = fetch(`${served.http}/impatient`, { method: 'POST', body: 'x', signal: controller.signal })
    broken.catch(() => {})
    await until(() => served.requests.length === 2)
    const { signal } = served.requests[1] as HttpRequest
    let told = 0
    signal.addEventListener('abort', () => told++)
    controller.abort()
    await until(() => told === 1)
    t.equal(signal.aborted, true)
    release()
    t.equal(served.requests[0]!.signal.aborted, false)
    t.equal((await Promise.all([fetchWith(served.http, () => release())]))[0], 200)
  })

  t.test('a listener that fails is answered for', async (t) => {
    const served = await serve(t, engine, { request: () => Promise.reject(new Error('a secret')) })
    const response = await fetch(served.http)
    t.equal(response.status, 500)
    const text = await response.text()
    t.equal(JSON.parse(text).error.code, 'INTERNAL')
    t.notMatch(text, 'secret')
  })

  t.test('a head that comes in pieces may have more than 4 KiB', async (t) => {
    const served = await serve(t, engine, { request: async () => ({ status: 200 }) })
    const cookie = 'c'.repeat(10_000)
    const head = `GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: ${cookie}\r\n\r\n`
    const answer = await exchange(served.transport.port, head, 3000)
    t.match(answer, /^HTTP\/1\.1 200 /)
    t.equal(served.requests[0]!.headers.get('cookie'), cookie)
  })

  t.test('another upgrade than to WebSocket is passed over', async (t) => {
    const served = await serve(t, engine, { request: async ({ path }) => ({ status: 200, body: path }) })
    const answer = await exchange(
      served.transport.port,
      'GET /page HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n',
      Number.POSITIVE_INFINITY,
      (soFar) => soFar.endsWith('/page'),
    )
    t.match(answer, /^HTTP\/1\.1 200 OK[\s\S]*\r\n\r\n\/page$/)
  })

  t.test('HTTP and WebSockets share the port', async (t) => {
    const served = await serve(t, engine, { request: async ({ path }) => ({ status: 200, body: path }) })
    await connect(served.url)
    t.equal(await (await fetch(`${served.http}/ws`)).text(), '/ws')
  })
}

async function fetchWith(url: string, release: () => void): Promise<number> {
  const response = fetch(url)
  const timer = setInterval(release, 5)
  const { status } = await response
  clearInterval(timer)
  return status
}

/** Writes a request, in pieces of so many bytes, and gives all that comes back until the end, or until it is enough. */
function exchange(
  port: number,
  request: string,
  pieceBytes = Number.POSITIVE_INFINITY,
  enough: (soFar: string) => boolean = () => false,
): Promise<string> {
  const socket = connectTcp(port, '127.0.0.1')
  return new Promise((resolve, reject) => {
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
      if (!enough(answer)) return
      socket.destroy()
      resolve(answer)
    })
    socket.on('end', () => resolve(answer))
    socket.on('error', (error) => (answer === '' ? reject(error) : resolve(answer)))
    const write = (from: number) => {
      if (from >= request.length) return
      const to = Math.min(request.length, from + pieceBytes)
      socket.write(request.slice(from, to), () => setTimeout(() => write(to), 5))
    }
    write(0)
  })
}
