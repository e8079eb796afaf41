import t from 'tap'
import { run } from '../../src/cli/run.ts'
import { testTerminal } from './terminal.ts'

async function called(argv: readonly string[], env = {}) {
  const terminal = testTerminal(env)
  const code = await run(argv, terminal)
  return { code, out: terminal.output.join('\n'), err: terminal.notes.join('\n') }
}

t.test('--help of the program and of each command shows examples', async (t) => {
  for (const argv of [[], ['start'], ['migrate'], ['token'], ['tail'], ['publish']]) {
    const { code, out } = await called([...argv, '--help'])
    t.equal(code, 0)
    t.match(out, /^Usage: bitacora/)
    t.match(out, /Examples:\n {2}bitacora/, argv.join())
  }
})

t.test('start --help lists every setting with its variable, default and range', async (t) => {
  const { out } = await called(['start', '--help'])
  const text = out.replace(/\s+/g, ' ')
  t.match(
    text,
    '--heartbeat-ms <ms> Time between two pings to a client. (HEARTBEAT_MS; default: 25000 (25 s); allowed: 100 to 600000 ms)',
  )
  t.notMatch(text, '--jwt-secret')
})

t.test('a wrong call says what is wrong and what is allowed, and exits with 2', async (t) => {
  const calls: [string[], RegExp][] = [
    [[], /Usage:/],
    [['frobnicate'], /unknown command 'frobnicate'/],
    [['start', '--prot', '1'], /unknown option '--prot'\s+.*--port/],
    [['start', 'now'], /too many arguments/],
    [['start', '--port'], /argument missing/],
    [
      ['start', '--port', 'x', '--engine', 'y'],
      /--port "x" is not a whole number; allowed: 0 to 65535\n.*--engine "y".*auto, uws, ws/,
    ],
    [['token'], /--sub/],
    [['token', '--sub', 'ana', '--ttl', '5w'], /Allowed: .*15m/],
    [['token', '--sub', 'ana', '--claim', 'colour=red'], /Allowed: .*workspaceId/],
    [['tail'], /missing required argument 'channel'/],
    [['tail', 'lobby'], /Allowed: NAMESPACE:NAME/],
    [['tail', 'room:lobby', '--after', '-1'], /Allowed: an event id/],
    [['tail', 'room:lobby', '--type', 'A B'], /Allowed: a lower-case letter/],
    [['tail', 'room:lobby', '--url', 'localhost:3000'], /Allowed: a URL like/],
    [['tail', 'room:lobby', '--as', 'ana', '--token', 'x'], /cannot be used with/],
    [['tail', 'room:lobby', '--url', 'https://chat.example.com'], /--token is needed/],
    [['publish', 'room:lobby', 'message:send', 'hi'], /PAYLOAD is not JSON/],
    [['publish', 'room:lobby', 'message:send', '1', '--message-id', ''], /Allowed: 1 to 128/],
    [
      ['migrate', '--database-url', 'mysql://u:hunter2@h/d'],
      /--database-url is a URL, but does not begin with postgres/,
    ],
  ]
  for (const [argv, why] of calls) {
    const { code, out, err } = await called(argv)
    t.equal(code, 2, argv.join(' '))
    t.match(err, why, argv.join(' '))
    t.equal(out, '')
    t.notMatch(err, /hunter2/)
  }
})

t.test('start does not start with a configuration that contradicts itself', async (t) => {
  const { code, err } = await called(['start'], { HOST: '0.0.0.0' })
  t.equal(code, 2)
  t.match(err, /development mode/)
})

t.test('other commands do not stumble over what concerns only a server', async (t) => {
  const env = { HOST: '0.0.0.0', JWT_SECRET: 'x'.repeat(32), MAX_CONNECTIONS: 'many' }
  t.equal((await called(['token', '--sub', 'ana'], env)).code, 0)
})

t.test('without a data directory there is no development secret to make tokens with', async (t) => {
  const { code, err } = await called([
    'publish',
    'room:lobby',
    'message:send',
    '1',
    '--data-dir',
    `${t.testdirName}/none`,
  ])
  t.equal(code, 2)
  t.match(err, /there is no .*none with a development secret.*--token/)
})
