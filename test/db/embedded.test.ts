// needs: psql
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import t, { type Test } from 'tap'
import { findBinaries, type Identity, SYSTEM_DIRECTORY } from '../../src/db/embedded-binaries.ts'
import { processesIn } from '../../src/db/running-process.ts'
import { hasProgram } from '../needs.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const PROGRAM = fileURLToPath(new URL('embedded-server.ts', import.meta.url))
const isRoot = process.getuid?.() === 0

/** What test/db/embedded-server.ts prints. */
interface Line {
  message?: string
  url?: string
  psql?: string
  aside?: string
}

interface Server {
  readonly child: ChildProcess
  readonly url: string
  readonly psql: string
  /** What it has logged so far. */
  readonly lines: readonly Line[]
  said(message: RegExp): Promise<void>
}

function folder(t: Test, mode: number): string {
  const { path, remove } = temporaryFolder(mode)
  t.teardown(remove)
  return path
}

async function start(t: Test, dataDir: string, identity?: Identity): Promise<Server> {
  const child = spawn(process.execPath, ['--import=tsx', PROGRAM, dataDir], {
    detached: true,
    stdio: 'pipe',
    ...identity,
  })
  t.teardown(() => child.kill('SIGKILL'))
  const lines: Line[] = []
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  const output = createInterface({ input: child.stdout })
  output.on('line', (line) => lines.push(JSON.parse(line)))
  const said = async (found: () => boolean) => {
    while (!found()) {
      if (child.exitCode !== null) throw new Error(`the server ended: ${errors}`)
      await Promise.race([once(output, 'line'), once(child, 'close')])
    }
  }
  const ready = () => lines.find((line) => line.url !== undefined)
  await said(() => ready() !== undefined)
  return {
    child,
    url: ready()!.url!,
    psql: ready()!.psql!,
    lines,
    said: (message) => said(() => lines.some((line) => message.test(line.message ?? ''))),
  }
}

async function stop({ child }: Server, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  child.kill(signal)
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows.flat()
  } finally {
    await client.end()
  }
}

function postmaster(dataDir: string): number {
  return Number(readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0])
}

// Every server here is a process of its own, and making a database takes a second of a whole processor.
t.setTimeout(300_000)

t.test(
  'data, port and password are kept over restarts, and the printed command opens the database',
  async (t) => {
    const dataDir = join(folder(t, 0o755), 'it\'s "data"')
    const first = await start(t, dataDir)
    await query(first.url, 'create table kept as select 42 as n')
    t.equal(statSync(join(dataDir, 'pgpass')).mode & 0o777, 0o600)
    t.strictSame(await query(first.url, 'show listen_addresses'), ['127.0.0.1'])
    const locale = `select getdatabaseencoding() || ' ' || datcollate from pg_database where datname = 'bitacora'`
    t.strictSame(await query(first.url, locale), ['UTF8 C'])
    const guessed = new URL(first.url)
    guessed.password = 'guessed'
    await t.rejects(query(guessed.href, 'select 1'), { code: '28P01' })
    if (hasProgram('psql')) {
      t.equal(
        execFileSync('/bin/sh', ['-c', `${first.psql} -Atc 'select n from kept'`], { encoding: 'utf8' }),
        '42\n',
      )
    }
    await stop(first)
    t.ok(lstatSync(join(dataDir, 'postgres')).isDirectory(), 'all of it is in the data directory')
    t.strictSame(readdirSync(dataDir).sort(), ['pgpass', 'postgres', 'postgres.log'])

    const second = await start(t, dataDir)
    t.equal(second.url, first.url)
    t.strictSame(await query(second.url, 'select n from kept'), [42])

    process.kill(-second.child.pid!, 'SIGINT')
    await once(second.child, 'close')
    const log = readFileSync(join(dataDir, 'postgres.log'), 'utf8')
    t.match(log, /database system is shut down\n$/, 'a Ctrl-C for the process group ends Postgres in order')
  },
)

t.test('a killed server leaves its Postgres to the next one', async (t) => {
  const dataDir = join(folder(t, 0o755), 'data')
  const first = await start(t, dataDir)
  const pid = postmaster(dataDir)
  await stop(first, 'SIGKILL')
  t.ok(processesIn(join(dataDir, 'postgres')).includes(pid), 'it still runs')
  process.kill(pid, 'SIGSTOP')

  const second = await start(t, dataDir)
  t.equal(postmaster(dataDir), pid, 'it is adopted, even if it was paused')
  t.equal(second.url, first.url)
  const message = new RegExp(`in use by another server \\(process ${second.child.pid}\\)`)
  await t.rejects(start(t, dataDir), { message }, 'but a living server keeps its own')

  process.kill(pid, 'SIGKILL')
  await second.said(/PostgreSQL is back/)
  t.not(postmaster(dataDir), pid)
  t.strictSame(await query(second.url, 'select 1'), [1], 'one that dies is started again, on the same port')

  second.child.kill('SIGTERM')
  second.child.kill('SIGTERM')
  await once(second.child, 'close')
  t.match(second.lines.at(-1), { message: 'stopped' }, 'a second signal does not cut the end short')
  t.strictSame(processesIn(join(dataDir, 'postgres')), [])
})

t.test('the server and its Postgres are killed, the pid is reused, the password lost', async (t) => {
  const dataDir = join(folder(t, 0o755), 'data')
  const first = await start(t, dataDir)
  await query(first.url, 'create table kept as select 42 as n')
  for (const pid of [first.child.pid!, ...processesIn(join(dataDir, 'postgres'))])
    process.kill(pid, 'SIGKILL')
  await once(first.child, 'close')
  const file = join(dataDir, 'postgres', 'postmaster.pid')
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^\d+/, String(process.pid)))
  const second = await start(t, dataDir)
  t.strictSame(await query(second.url, 'select n from kept'), [42])
  await stop(second)

  rmSync(join(dataDir, 'pgpass'))
  const third = await start(t, dataDir)
  t.not(new URL(third.url).password, new URL(first.url).password)
  t.strictSame(await query(third.url, 'select n from kept'), [42])
  await stop(third)
})

t.test('as root, below a folder that only root may enter', { skip: !isRoot }, async (t) => {
  const dataDir = join(folder(t, 0o700), 'data')
  const first = await start(t, dataDir)
  const directory = realpathSync(join(dataDir, 'postgres'))
  t.equal(dirname(directory), SYSTEM_DIRECTORY)
  t.not(statSync(directory).uid, 0)
  t.equal(statSync(directory).mode & 0o777, 0o700)
  await query(first.url, 'create table kept as select 42 as n')
  await stop(first)
  const second = await start(t, dataDir)
  t.strictSame(await query(second.url, 'select n from kept'), [42])
  await stop(second, 'SIGKILL')

  rmSync(dataDir, { recursive: true })
  const third = await start(t, dataDir)
  const [aside] = third.lines.flatMap((line) => line.aside ?? [])
  t.teardown(() => rmSync(aside!, { recursive: true }))
  t.ok(existsSync(join(aside!, 'PG_VERSION')), 'what the removed data directory pointed to is kept')
  await t.rejects(query(third.url, 'select n from kept'), { code: '42P01' }, 'but not used')
  await stop(third)

  rmSync(directory, { recursive: true })
  await t.rejects(start(t, dataDir), { message: /points to a database that is not there any more/ })
})

t.test('an ordinary user has everything inside the data directory, and root may run it', async (t) => {
  const path = folder(t, 0o700)
  const dataDir = join(path, 'data')
  const identity = isRoot ? { uid: 65534, gid: 65534 } : undefined
  if (identity !== undefined) {
    chownSync(path, identity.uid, identity.gid)
    const enter = spawnSync('/bin/sh', ['-c', 'cd "$0"', dirname(PROGRAM)], { ...identity, cwd: '/' })
    if (enter.status !== 0) {
      t.skip('another user cannot reach this checkout', () => {})
      return
    }
  }
  const first = await start(t, dataDir, identity)
  t.ok(lstatSync(join(dataDir, 'postgres')).isDirectory())
  await stop(first)
  await stop(await start(t, dataDir))
  t.equal(statSync(join(dataDir, 'postgres', 'PG_VERSION')).uid, statSync(path).uid)
})

t.test('a cluster that belongs to root is refused with the remedy', { skip: !isRoot }, async (t) => {
  const dataDir = join(folder(t, 0o755), 'data')
  mkdirSync(join(dataDir, 'postgres'), { recursive: true })
  await t.rejects(start(t, dataDir), { message: /belongs to root.*chown -R nobody/ })
})

t.test('a platform without binaries is told to set DATABASE_URL', async (t) => {
  t.throws(() => findBinaries('plan9-mips'), {
    message: /no embedded PostgreSQL for plan9-mips.*set DATABASE_URL/,
  })
})
