import { text } from 'node:stream/consumers'
import type { Environment } from '../config.ts'

/** The world around a command. */
export interface Terminal {
  readonly env: Environment
  /** Results. */
  readonly out: (text: string) => void
  /** What a person should know and a pipe should not get. */
  readonly err: (text: string) => void
  /** Whether what goes to `out` may be coloured. */
  readonly colour: boolean
  readonly readInput: () => Promise<string>
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP from now on; later ones do nothing, so that no end is cut short. */
  readonly stopSignal: () => AbortSignal
}

export function processTerminal(): Terminal {
  const { stdout, stderr } = process
  // `… | head` has read enough.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
  return {
    env: process.env,
    out: (line) => void stdout.write(`${line}\n`),
    err: (line) => void stderr.write(`${line}\n`),
    // hasColors() also heeds NO_COLOR and FORCE_COLOR.
    colour: stdout.isTTY === true && stdout.hasColors(),
    readInput: () => text(process.stdin),
    stopSignal() {
      const stop = new AbortController()
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort())
      return stop.signal
    },
  }
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** Resolves after `ms`, or when the signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
  })
}
