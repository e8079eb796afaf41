import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { startCommand } from '../../src/cli/start.ts'
import { testDatabase } from '../postgres.ts'
import { testTerminal } from './terminal.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

interface Run {
  readonly child: ChildProcess
  readonly out: () => string
  readonly err: () => string
  /** The exit code, or the signal. */
  readonly end: Promise<number | string>
}

function bitacora(t: { teardown(end: () => unknown): unknown }, argv: string[], env = {}): Run {
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, ['--import=tsx', join(root, 'src/cli.ts'), ...argv], {
    cwd: root,
    env: { PATH, HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, err] = [child.stdout, child.stderr].map((stream) => {
    let text = ''
    stream?.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
    })
    return () => text
  }) as [() => string, () => string]
  const end = once(child, 'close').then(([code, signal]) => code ?? signal)
  t.teardown(() => child.kill('SIGKILL'))
  return { child, out, err, end }
}

async function started(run: Run): Promise<string> {
  for (;;) {
    const url = /WebSocket +(ws:\S+)/.exec(run.out())?.[1]
    if (url !== undefined && run.out().endsWith('\n')) return url
    if (run.child.exitCode !== null) throw new Error(`it ended: ${run.err()}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

t.test(
  'a server says where it is, how to get a token, how to open its database, and that it is for development',
  async (t) => {
    const { url } = await testDatabase(t)
    const dataDir = t.testdir()
    const argv = ['--port', '0', '--data-dir', dataDir]
    const server = bitacora(t, ['start', ...argv], { DATABASE_URL: url })
    const webSocket = await started(server)
    const http = webSocket.replace('ws:', 'http:').replace('/ws', '')
    t.match(server.out(), `curl -s ${http}/v1/dev/token -d '{"sub":"ana"}'`)
    t.match(server.out(), /Database +psql 'postgres/)
    t.match(server.out(), /DEVELOPMENT MODE/)
    t.notMatch(server.out(), new RegExp(`:${new URL(url).password || 'no password'}@`))

    t.test('publish and tail find their way by the development secret', async (t) => {
      const talk = ['--url', webSocket, '--data-dir', dataDir]
      const payload = '{"text":"hi"}'
      const first = bitacora(t, ['publish', 'room:lobby', 'message:send', payload, ...talk, '--as', 'ana'])
      t.equal(await first.end, 0, first.err())
      const tail = bitacora(t, ['tail', 'room:lobby', '--after', '0', '--json', ...talk])
      while (!tail.out().includes('\n')) await new Promise((resolve) => setTimeout(resolve, 20))
      const second = bitacora(t, ['publish', 'room:lobby', 'message:send', payload, ...talk])
      t.equal(await second.end, 0, second.err())
      while (tail.out().split('\n').length < 3) await new Promise((resolve) => setTimeout(resolve, 20))
      tail.child.kill('SIGINT')
      t.equal(await tail.end, 0)
      const lines = tail.out().trim().split('\n')
      t.match(
        lines.map((line) => JSON.parse(line)),
        [
          { id: 1, seq: 1, from: 'ana', payload: { text: 'hi' } },
          { id: 2, seq: 2, from: 'bitacora-cli' },
        ],
      )
    })

    t.test('a second signal does not cut its end short', async (t) => {
      server.child.kill('SIGTERM')
      server.child.kill('SIGTERM')
      setTimeout(() => server.child.kill('SIGINT'), 20)
      t.equal(await server.end, 0)
      t.match(server.err(), /"msg":"stopped"/)
    })
  },
)

t.test('with a secret it is no development server', async (t) => {
  const { url } = await testDatabase(t)
  const env = { DATABASE_URL: url, JWT_SECRET: 'the secret of the tests, 32 bytes or more', PORT: '0' }
  const server = bitacora(t, ['start', '--engine', 'ws'], env)
  const webSocket = await started(server)
  t.notMatch(server.out(), /DEVELOPMENT/)
  t.match(server.out(), 'bitacora token --sub ana')
  const http = webSocket.replace('ws:', 'http:').replace('/ws', '')
  t.equal((await fetch(`${http}/v1/dev/token`, { method: 'POST', body: '{"sub":"ana"}' })).status, 404)
  t.match(await (await fetch(`${http}/healthz`)).json(), { engine: 'ws' })
  server.child.kill('SIGINT')
  t.equal(await server.end, 0)
})

t.test('a signal that comes during the start ends in order what has been started', async (t) => {
  const terminal = testTerminal({ LOG_LEVEL: 'silent' })
  let closed = 0
  const server = { url: 'ws://127.0.0.1:3000/ws', psql: '', dev: true, close: async () => void closed++ }
  const startServer = async () => {
    terminal.stop()
    return server
  }
  await startCommand(terminal, async () => startServer).parseAsync([], { from: 'user' })
  t.equal(closed, 1)
  t.strictSame(terminal.output, [], 'it does not say that it runs')
})

t.test('a server that is open to the network says where it is found', async (t) => {
  const terminal = testTerminal({ LOG_LEVEL: 'silent' })
  const server = { url: 'ws://0.0.0.0:3000/ws', psql: 'psql bitacora', dev: true, close: async () => {} }
  const argv = ['--host', '0.0.0.0']
  const done = startCommand(terminal, async () => async () => server).parseAsync(argv, { from: 'user' })
  await terminal.until(() => terminal.output.length > 0)
  terminal.stop()
  await done
  t.match(terminal.output[0], 'ws://127.0.0.1:3000/ws')
  t.match(terminal.output[0], 'Database   psql bitacora')
  t.match(terminal.output[0], 'Whoever reaches 0.0.0.0:3000 gets a token')
})

t.test('nothing half starts: a port that is taken is told, with the remedy', async (t) => {
  const { url } = await testDatabase(t)
  const holder = createServer()
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
  t.teardown(() => holder.close())
  const { port } = holder.address() as { port: number }
  for (const engine of ['uws', 'ws']) {
    const argv = ['start', '--port', String(port), '--engine', engine, '--data-dir', t.testdir()]
    const server = bitacora(t, argv, { DATABASE_URL: url })
    t.equal(await server.end, 1)
    t.match(server.err(), new RegExp(`127\\.0\\.0\\.1:${port}.*PORT`))
    t.equal(server.out(), '')
  }
})

t.test('nothing half starts: a database that is not there', async (t) => {
  const env = { DATABASE_URL: 'postgres://app:hunter2@127.0.0.1:1/app' }
  const server = bitacora(t, ['start', '--port', '0', '--data-dir', t.testdir()], env)
  t.equal(await server.end, 1)
  t.match(server.err(), /ECONNREFUSED/)
  t.notMatch(server.err(), /hunter2/)
})

t.test('migrate', async (t) => {
  const { url } = await testDatabase(t)
  const migrate = bitacora(t, ['migrate', '--database-url', url])
  t.equal(await migrate.end, 0, migrate.err())
  t.equal(migrate.out(), 'nothing to do\n')
})
