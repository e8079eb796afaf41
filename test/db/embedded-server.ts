/** A server that has an embedded PostgreSQL and nothing else, for tests that kill it: embedded-server.ts DATA_DIR */
import { startEmbedded } from '../../src/db/embedded.ts'

process.stdin.once('end', () => process.kill(process.pid, 'SIGKILL')).resume() // who started us is gone
const print = (line: object) => console.log(JSON.stringify(line))
const log = (fields: object, message: string) => print({ ...fields, message })

const signalled = Promise.race(
  (['SIGINT', 'SIGTERM'] as const).map((name) => new Promise((resolve) => process.on(name, resolve))),
)
const embedded = await startEmbedded({
  dataDir: process.argv[2]!,
  log: { info: log, warn: log, error: log },
  settings: { fsync: 'off' },
})
print({ url: embedded.url, psql: embedded.psql })
await signalled
await embedded.stop()
process.stdin.pause()
print({ message: 'stopped' })
