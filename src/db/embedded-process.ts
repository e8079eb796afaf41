import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { type Place, POSTGRES_ENV } from './embedded-cluster.ts'
import type { Log } from './log.ts'
import { processCommand, processStart } from './running-process.ts'

/** A running Postgres. */
export interface Postmaster {
  readonly pid: number
  readonly port: number
  readonly exited: Promise<void>
}

export interface LaunchOptions {
  readonly place: Place
  readonly binaries: string
  readonly port: number
  readonly log: Log
  /** Server settings on top of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>> | undefined
  /** Ends the start. */
  readonly signal?: AbortSignal | undefined
}

export class PortTakenError extends Error {}

const READY_POLL_MS = 20
const STARTING_NOTICE_MS = 10_000

/** Starts Postgres and resolves as soon as it takes connections. */
export async function launch(options: LaunchOptions): Promise<Postmaster> {
  const { place, port, log, signal } = options
  const logFile = join(place.dataDir, 'postgres.log')
  const output = openSync(logFile, 'a', 0o600)
  const logStart = statSync(logFile).size
  const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: '', ...options.settings }
  let child: ChildProcess
  try {
    // detached: in a process group of its own, so that a Ctrl-C reaches only us and we stop it in order.
    child = spawn(
      join(options.binaries, 'bin', 'postgres'),
      [
        '-D',
        place.directory,
        '-p',
        String(port),
        ...Object.entries(settings).flatMap(([k, v]) => ['-c', `${k}=${v}`]),
      ],
      {
        detached: true,
        stdio: ['ignore', output, output],
        cwd: place.directory,
        env: POSTGRES_ENV,
        ...place.identity,
      },
    )
  } finally {
    closeSync(output)
  }
  let ended = false
  const exited = new Promise<void>((resolve, reject) => {
    child.once('exit', () => resolve())
    child.once('error', reject)
  }).finally(() => {
    ended = true
  })
  exited.catch(() => {})
  child.unref()

  const stop = () => child.kill('SIGINT')
  signal?.addEventListener('abort', stop, { once: true })
  try {
    if (signal?.aborted) stop()
    let noticeAt = Date.now() + STARTING_NOTICE_MS
    while (!ended) {
      const state = readPidFile(place.directory)
      if (state?.pid === child.pid && state?.status === 'ready') return { pid: child.pid!, port, exited }
      if (Date.now() > noticeAt) {
        log.info({ log: logFile }, 'the embedded PostgreSQL is still starting (recovering after a crash?)')
        noticeAt = Date.now() + STARTING_NOTICE_MS
      }
      await sleep(READY_POLL_MS)
    }
    await exited
  } finally {
    signal?.removeEventListener('abort', stop)
  }
  const said = readFileSync(logFile).subarray(logStart).toString('utf8').trim()
  if (/could not bind|Address already in use/.test(said)) throw new PortTakenError(`port ${port} is taken`)
  throw new Error(`the embedded PostgreSQL did not start; its log ${logFile} says: ${said.slice(-1500)}`)
}

/**
 * The Postgres that already serves this cluster, because the server that started it was killed. A postmaster.pid whose
 * pid now belongs to something else is removed: Postgres would refuse to start because of it.
 */
export async function adopt(place: Place, password: string, log: Log): Promise<Postmaster | undefined> {
  const file = readPidFile(place.directory)
  if (file === undefined) return undefined
  const { pid, port } = file
  const start = processStart(pid)
  if (start === undefined) return undefined // Postgres recognises this case by itself
  const alive = () => processStart(pid) === start
  const command = processCommand(pid)?.split(' ')[0]
  const where = workingDirectory(pid)
  if (
    command === undefined ||
    basename(command) !== 'postgres' ||
    (where !== undefined && where !== place.directory)
  ) {
    rmSync(join(place.directory, 'postmaster.pid'), { force: true })
    log.warn({ pid }, 'removed the postmaster.pid of a PostgreSQL that is gone')
    return undefined
  }

  let problem: unknown = new Error(`port ${port} is not open`)
  for (const deadline = Date.now() + 30_000; Date.now() < deadline && alive(); await sleep(100)) {
    try {
      await requireCluster(place, port, password)
      return { pid, port, exited: untilEnded(alive) }
    } catch (error) {
      problem = error
      if (error instanceof OtherClusterError) break
    }
  }
  if (!alive()) return undefined
  if (where !== place.directory || problem instanceof OtherClusterError) {
    throw new Error(
      `process ${pid} may be a PostgreSQL that uses ${place.directory}, but does not answer as such; stop it`,
      {
        cause: problem,
      },
    )
  }
  log.warn({ pid, err: problem }, 'the PostgreSQL of this data directory does not answer; ending it')
  await end({ pid, port, exited: untilEnded(alive) }, 'SIGQUIT', 10_000)
  return undefined
}

class OtherClusterError extends Error {}

async function requireCluster(place: Place, port: number, password: string): Promise<void> {
  const client = new pg.Client({
    connectionString: urlOf(port, password, 'postgres'),
    connectionTimeoutMillis: 2_000,
    query_timeout: 2_000,
  })
  client.on('error', () => {}) // the query rejects as well
  try {
    await client.connect()
    const { rows } = await client.query<{ directory: string; identifier: string }>(
      `select current_setting('data_directory') as directory, system_identifier::text as identifier from pg_control_system()`,
    )
    const { directory, identifier } = rows[0]!
    if (directory !== place.directory || identifier !== systemIdentifier(place.directory)) {
      throw new OtherClusterError(`the PostgreSQL on port ${port} serves ${directory}`)
    }
  } finally {
    await client.end().catch(() => {})
  }
}

/** The first field of the control file, in the machine's byte order, which is little-endian wherever we have binaries. */
function systemIdentifier(directory: string): string {
  return readFileSync(join(directory, 'global', 'pg_control'))
    .readBigUInt64LE(0)
    .toString()
}

function workingDirectory(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return undefined
  }
}

async function untilEnded(alive: () => boolean): Promise<void> {
  while (alive()) await sleep(100, undefined, { ref: false })
}

/** Signals a Postgres and waits for its end; if it does not come in time, harder. Paused processes are woken first. */
export async function end(
  postmaster: Postmaster,
  signal: 'SIGINT' | 'SIGQUIT',
  patienceMs: number,
): Promise<void> {
  let ended = false
  const exited = postmaster.exited.then(() => {
    ended = true
  })
  const steps: [NodeJS.Signals, number][] = [
    [signal, patienceMs],
    ['SIGQUIT', 10_000],
    ['SIGKILL', 10_000],
  ]
  for (const [step, ms] of steps) {
    kill(postmaster.pid, step)
    kill(postmaster.pid, 'SIGCONT')
    const timer = new AbortController()
    await Promise.race([exited, sleep(ms, undefined, { signal: timer.signal }).catch(() => {})])
    timer.abort()
    if (ended) return
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** postmaster.pid: pid, data directory, start time, port, socket directory, address, shared memory, status. */
function readPidFile(directory: string): { pid: number; port: number; status: string } | undefined {
  try {
    const lines = readFileSync(join(directory, 'postmaster.pid'), 'utf8').split('\n')
    return { pid: Number(lines[0]), port: Number(lines[3]), status: lines[7]?.trim() ?? '' }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

export function urlOf(port: number, password: string, database: string): string {
  return `postgresql://postgres:${password}@127.0.0.1:${port}/${database}?sslmode=disable`
}

/** A free port of the loopback, outside the range that systems give to outgoing connections, so that it can be kept. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = 15_000 + Math.floor(Math.random() * 15_000)
    if (await isFree(port)) return port
  }
  throw new Error('found no free port for the embedded PostgreSQL between 15000 and 30000')
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}
