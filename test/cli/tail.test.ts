import t from 'tap'
import { run } from '../../src/cli/run.ts'
import { type Act, event, scriptedServer, welcome } from './scripted-server.ts'
import { type TestTerminal, testTerminal } from './terminal.ts'

const bye = (code: number, reconnect: boolean, more = {}) => ({
  op: 'bye',
  code,
  reason: 'because',
  reconnect,
  ...more,
})

function tail(terminal: TestTerminal, url: string, ...argv: string[]) {
  return run(['tail', 'room:lobby', '--url', url, '--json', '--token', 'T', ...argv], terminal)
}

const ids = ({ output }: TestTerminal) => output.map((line) => JSON.parse(line).id)

t.test('a connection that breaks is taken up again where it was', async (t) => {
  const first: Act = (socket, say) => {
    say(welcome(10))
    say({ op: 'live', pos: 10 })
    say(event(11))
    say(event(12, 'user:ana'))
    setTimeout(() => socket.terminate(), 20)
  }
  const second: Act = (_, say) => {
    say(welcome(13, { resume: 'resumed' }))
    say(event(13))
    say({ op: 'live', pos: 13 })
  }
  const server = await scriptedServer(t, [first, second])
  const terminal = testTerminal()
  const done = tail(terminal, server.url)
  await terminal.until(() => terminal.output.length === 2)
  terminal.stop()
  t.equal(await done, 0)
  t.strictSame(ids(terminal), [11, 13])
  t.match(server.hellos, [{ token: 'T' }, { lastEventId: 12, epoch: 'e1' }])
  t.match(terminal.notes, [/again in/, /connected again/])
})

t.test('44xx is the end, with what the server said', async (t) => {
  const acts: Record<number, Act> = {
    4409: (socket, say) => {
      say(welcome(1))
      say(bye(4409, false))
      socket.close(4409)
    },
    4401: (socket, say) => {
      say({ op: 'error', code: 'AUTH_FAILED', message: 'the token is refused', retry: false })
      say(bye(4401, false))
      socket.close(4401)
    },
    // No bye arrived: the table decides.
    4403: (socket) => socket.close(4403, 'out'),
  }
  for (const [code, act] of Object.entries(acts)) {
    const server = await scriptedServer(t, [act])
    const terminal = testTerminal()
    t.equal(await tail(terminal, server.url), 1)
    t.match(terminal.notes.join(), `(close code ${code})`)
    t.equal(server.hellos.length, 1, 'it did not come back')
    if (code === '4401') t.match(terminal.notes.join(), 'AUTH_FAILED: the token is refused')
  }
})

t.test('45xx and codes that nobody knows are no end', async (t) => {
  const closings = [4500, 4503, 4508, 4999, 1001, 1011].map(
    (code): Act =>
      (socket, say) => {
        say(welcome(1))
        say(bye(code, true, { after: 5 }))
        socket.close(code)
      },
  )
  const server = await scriptedServer(t, [...closings, (_, say) => say(welcome(1))])
  const terminal = testTerminal()
  const done = tail(terminal, server.url)
  await terminal.until(
    () => terminal.notes.filter((note) => note.includes('connected again')).length === closings.length,
  )
  terminal.stop()
  t.equal(await done, 0)
  t.match(terminal.notes[0], 'again in 0.0 s')
})

t.test('an upgrade that is refused', async (t) => {
  t.test('for good is the end', async (t) => {
    for (const status of [400, 403, 404]) {
      const server = await scriptedServer(t, [status])
      const terminal = testTerminal()
      t.equal(await tail(terminal, server.url), 1)
      t.match(terminal.notes, [new RegExp(`refused with HTTP ${status} because`)])
    }
  })
  t.test('for now is no end', async (t) => {
    const server = await scriptedServer(t, [429, 503, (_, say) => say(welcome(1))])
    const terminal = testTerminal()
    const done = tail(terminal, server.url)
    await terminal.until(() => terminal.notes.length === 2)
    t.match(terminal.notes, [/HTTP 429.*again in/, /HTTP 503.*again in/])
    terminal.stop()
    t.equal(await done, 0)
  })
})

t.test('a server that falls silent is left', async (t) => {
  const silent: Act = (_, say) => say(welcome(1, { heartbeat: { interval: 30, timeout: 20 } }))
  const server = await scriptedServer(t, [silent])
  const terminal = testTerminal()
  const done = tail(terminal, server.url)
  await terminal.until(() => terminal.notes.some((note) => /nothing heard .* 0.05 s/.test(note)))
  terminal.stop()
  t.equal(await done, 0)
})

t.test('a token that ends is renewed where there is a newer one', async (t) => {
  const path = `${t.testdir({ token: 'fresh\n' })}/token`
  const expiring: Act = (_, say) => {
    say(welcome(1))
    say({ op: 'expiring', expiresAt: 1 })
    say(event(2))
  }
  const server = await scriptedServer(t, [expiring])
  const terminal = testTerminal()
  const done = run(['tail', 'room:lobby', '--url', server.url, '--token', `@${path}`], terminal)
  await terminal.until(() => terminal.output.length === 1)
  while (server.frames.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  t.match(server.hellos, [{ token: 'fresh' }])
  t.match(server.frames, [{ op: 'auth', token: 'fresh' }])
  terminal.stop()
  t.equal(await done, 0)
})

t.test('--type shows these types only', async (t) => {
  const act: Act = (_, say) => {
    say(welcome(1))
    say({ ...event(2), type: 'typing' })
    say({ ...event(3), type: 'message:send' })
    say(event(4))
  }
  const server = await scriptedServer(t, [act])
  const terminal = testTerminal()
  const done = tail(terminal, server.url, '--type', 'message:send', '--type', 'tick')
  await terminal.until(() => terminal.output.length === 2)
  t.strictSame(ids(terminal), [3, 4])
  terminal.stop()
  await done
})

t.test('Ctrl-C ends it also while it waits to connect again', async (t) => {
  const terminal = testTerminal()
  const done = tail(terminal, 'ws://127.0.0.1:1/ws')
  await terminal.until(() => terminal.notes.length === 1)
  terminal.stop()
  t.equal(await done, 0)
  t.match(terminal.notes, [/ECONNREFUSED/])
})

t.test('nonsense from the server is the end, not a crash', async (t) => {
  const server = await scriptedServer(t, [(socket) => socket.send('nonsense')])
  const terminal = testTerminal()
  t.equal(await tail(terminal, server.url), 1)
})
