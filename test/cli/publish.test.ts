import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { run } from '../../src/cli/run.ts'
import { testTerminal } from './terminal.ts'

type Answer = readonly [status: number, body: unknown, headers?: Record<string, string>] | 'hang up'

/** Answers each request with the next of these. */
async function serving(t: { teardown(end: () => unknown): unknown }, answers: Answer[]) {
  const bodies: string[] = []
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    bodies.push(await text(request))
    const answer = answers.shift() ?? 'hang up'
    if (answer === 'hang up') return void request.socket.destroy()
    const [status, body, headers] = answer
    response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies }
}

async function publish(url: string, payload: string, input = '', ...more: string[]) {
  const terminal = testTerminal({}, input)
  const argv = ['publish', 'room:lobby', 'tick', payload, '--url', url, '--token', 'T', ...more]
  return { code: await run(argv, terminal), out: terminal.output.join('\n'), err: terminal.notes.join('\n') }
}

const refusal = (code: string, retry: boolean) => ({ error: { code, message: 'because', retry } })

t.test('the ack is printed', async (t) => {
  const { url, bodies } = await serving(t, [[200, { ok: { eventId: 7 } }]])
  const { code, out } = await publish(url, '{"a": 1.0}', '', '--message-id', 'm-1')
  t.equal(code, 0)
  t.strictSame(JSON.parse(out), { eventId: 7 })
  t.equal(bodies[0], '{"channel":"room:lobby","type":"tick","messageId":"m-1","payload":{"a": 1.0}}')
})

t.test('the payload can come from standard input', async (t) => {
  const { url, bodies } = await serving(t, [[200, { ok: {} }]])
  t.equal((await publish(url, '-', '[1,\n2]\n')).code, 0)
  t.match(JSON.parse(bodies[0] ?? ''), { payload: [1, 2] })
})

t.test('it is tried again under the same message id', async (t) => {
  const { url, bodies } = await serving(t, [
    'hang up',
    [503, refusal('UNAVAILABLE', true), { 'retry-after': '1' }],
    [200, { ok: { eventId: 7 } }],
  ])
  const { code, err } = await publish(url, '1')
  t.equal(code, 0)
  t.equal(bodies.length, 3)
  t.equal(new Set(bodies.map((body) => JSON.parse(body).messageId)).size, 1)
  t.match(err, /no answer from .*again in 1 s\n.*UNAVAILABLE: because; again in 2 s/)
})

t.test('what is refused for good is not tried again', async (t) => {
  const { url, bodies } = await serving(t, [[403, refusal('FORBIDDEN', false)]])
  const { code, out, err } = await publish(url, '1')
  t.equal(code, 1)
  t.equal(out, '')
  t.equal(err, 'bitacora: FORBIDDEN: because')
  t.equal(bodies.length, 1)
})

t.test('something else than a Bitácora server is named as such', async (t) => {
  for (const body of ['<html>', 'null', '[]', '{}']) {
    const { url } = await serving(t, [[200, body]])
    const { code, err } = await publish(url, '1')
    t.equal(code, 1)
    t.match(err, /not as a Bitácora server does/)
  }
})
