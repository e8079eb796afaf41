import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** A server that is being measured, whichever it is. */
export interface MeasuredServer {
  readonly pid: number
  readonly port: number
  end(): Promise<void>
}

/** V8 settings of everything measured: the server's own, and SIGUSR2 to collect garbage before memory is read. */
export const MEASURED_NODE_OPTIONS = [
  '--max-semi-space-size=64',
  '--expose-gc',
  `--import=${fileURLToPath(new URL('./collect-on-signal.mjs', import.meta.url))}`,
]

const COLLECTED_MS = 500

/** Has a server collect its garbage, so that it pays in the next measurement for nothing it did before. */
export async function collectGarbage({ pid }: MeasuredServer): Promise<void> {
  process.kill(pid, 'SIGUSR2')
  await wait(COLLECTED_MS)
}
