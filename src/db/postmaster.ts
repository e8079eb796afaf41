import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A running Postgres. */
export interface Postmaster {
  readonly pid: number
  readonly port: number
  readonly exited: Promise<void>
  isAlive(): boolean
}

/** A fast shutdown writes a checkpoint, which takes its time on a slow disk. */
export const STOP_PATIENCE_MS = 60_000

/** Signals a Postgres and waits for its end; if that does not come in time, harder. A paused one is woken. */
export async function endPostmaster(
  postmaster: Postmaster,
  signal: 'SIGINT' | 'SIGQUIT',
  patienceMs: number,
): Promise<void> {
  const steps: [NodeJS.Signals, number][] = [
    [signal, patienceMs],
    ['SIGQUIT', 10_000],
    ['SIGKILL', 10_000],
  ]
  for (const [step, waitMs] of steps) {
    if (!postmaster.isAlive()) return
    sendSignal(postmaster.pid, step)
    sendSignal(postmaster.pid, 'SIGCONT')
    const waiting = new AbortController()
    await Promise.race([
      postmaster.exited,
      sleep(waitMs, undefined, { signal: waiting.signal }).catch(() => {}),
    ])
    waiting.abort()
  }
}

export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** What Postgres writes into its data directory about itself. */
export interface PidFile {
  readonly pid: number
  readonly port: number
  /** starting, stopping, ready, standby */
  readonly status: string
}

/** Lines: pid, data directory, start time, port, socket directory, address, shared memory, status. */
export function readPidFile(directory: string): PidFile | undefined {
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
