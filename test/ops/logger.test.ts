import t from 'tap'
import { createLogger, withoutSecrets } from '../../src/ops/logger.ts'

function logged(level: 'info' | 'warn', write: (log: ReturnType<typeof createLogger>) => void) {
  const lines: string[] = []
  write(createLogger(level, { write: (line) => lines.push(line) }))
  return lines
}

const TOKEN = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl'

t.test('a line is one JSON object with the name of its level and an ISO time', async (t) => {
  const [line] = logged('info', (log) => log.info({ port: 3000 }, 'listening'))
  t.match(JSON.parse(line ?? ''), { level: 'info', port: 3000, msg: 'listening', time: /^\d{4}-\d\d-\d\dT/ })
})

t.test('lines below the level are not written', async (t) => {
  t.equal(logged('warn', (log) => log.info('x')).length, 0)
})

t.test('a token does not get into the log, however it comes', async (t) => {
  const lines = logged('info', (log) => {
    log.info({ token: 'opaque-token' })
    log.info({ headers: { authorization: `Bearer ${TOKEN}` } })
    log.info(`refused ${TOKEN}`)
    log.info({ err: new Error(`bad ${TOKEN}`) })
    log.info({ frame: JSON.stringify({ op: 'hello', token: 'opaque-token' }) })
    log.child({ jwtSecret: 'opaque-token' }).info('x')
  })
  t.equal(lines.length, 6)
  for (const line of lines) {
    t.notMatch(line, /opaque-token/)
    t.notMatch(line, TOKEN)
    t.doesNotThrow(() => JSON.parse(line), 'still JSON')
  }
})

t.test('the password of a URL is taken out, the rest stays', async (t) => {
  t.equal(withoutSecrets('postgres://app:s3cret@db:5432/x'), 'postgres://app:[secret]@db:5432/x')
  t.equal(withoutSecrets('http://127.0.0.1:3000/ws'), 'http://127.0.0.1:3000/ws')
})
