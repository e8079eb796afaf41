import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync, readFileSync, renameSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { POSTGRES_ENV } from './embedded-binaries.ts'
import type { Place } from './embedded-cluster.ts'
import type { Log } from './log.ts'
import { type Postmaster, readPidFile } from './postmaster.ts'

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
const LOG_FILE_BYTES = 16 * 1024 * 1024

/** Starts Postgres and resolves as soon as it takes connections. */
export async function launch(options: LaunchOptions): Promise<Postmaster> {
  const { place, port, log, signal } = options
  const logFile = join(place.dataDir, 'postgres.log')
  if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > LOG_FILE_BYTES)
    renameSync(logFile, `${logFile}.1`)
  const output = openSync(logFile, 'a', 0o600)
  const logStart = fstatSync(output).size
  const child = spawnPostgres(options, output)
  closeSync(output)
  const isAlive = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  const stop = () => child.kill('SIGINT')
  signal?.addEventListener('abort', stop, { once: true })
  try {
    if (signal?.aborted) stop()
    let noticeAt = Date.now() + STARTING_NOTICE_MS
    while (isAlive()) {
      const file = readPidFile(place.directory)
      if (file?.pid === child.pid && file?.status === 'ready')
        return { pid: child.pid!, port, exited, isAlive }
      if (Date.now() > noticeAt) {
        log.info({ logFile }, 'the embedded PostgreSQL is still starting, probably recovering after a crash')
        noticeAt = Date.now() + STARTING_NOTICE_MS
      }
      await sleep(READY_POLL_MS)
    }
  } finally {
    signal?.removeEventListener('abort', stop)
  }
  const said = readFileSync(logFile).subarray(logStart).toString('utf8').trim()
  if (said.includes('could not bind'))
    throw new PortTakenError(`port ${port} of 127.0.0.1 is taken by another program`)
  throw new Error(`the embedded PostgreSQL did not start; its log ${logFile} says:\n${said.slice(-1500)}`)
}

function spawnPostgres({ place, binaries, port, settings }: LaunchOptions, output: number): ChildProcess {
  const all = { listen_addresses: '127.0.0.1', unix_socket_directories: '', ...settings }
  const args = ['-D', place.directory, '-p', String(port)]
  for (const [name, value] of Object.entries(all)) args.push('-c', `${name}=${value}`)
  const child = spawn(join(binaries, 'bin', 'postgres'), args, {
    // In a process group of its own, so that a Ctrl-C reaches only us and we stop it in order.
    detached: true,
    stdio: ['ignore', output, output],
    cwd: place.directory,
    env: POSTGRES_ENV,
    ...place.identity,
  })
  child.unref()
  return child
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
