import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from './log.ts'
import { endPostmaster, type Postmaster, STOP_PATIENCE_MS } from './postmaster.ts'

const FIRST_BACKOFF_MS = 100
const LAST_BACKOFF_MS = 10_000
/** One that lived so long did not die of what the last one died of. */
const FORGET_BACKOFF_MS = 30_000

/** Starts Postgres again whenever it ends, until `stopping`; then ends it in order. Resolves when it has ended. */
export async function supervise(
  first: Postmaster,
  start: () => Promise<Postmaster>,
  stopping: AbortSignal,
  log: Log,
): Promise<void> {
  const stop = once(stopping, 'abort')
  let postmaster = first
  let backoffMs = 0
  for (;;) {
    const since = Date.now()
    await Promise.race([postmaster.exited, stop])
    if (stopping.aborted) return endPostmaster(postmaster, 'SIGINT', STOP_PATIENCE_MS)
    log.error({ postmaster: postmaster.pid }, 'the embedded PostgreSQL ended by itself; starting it again')
    if (Date.now() - since > FORGET_BACKOFF_MS) backoffMs = 0

    for (let next: Postmaster | undefined; next === undefined; ) {
      await sleep(backoffMs, undefined, { signal: stopping, ref: false }).catch(() => {})
      if (stopping.aborted) return
      backoffMs = Math.min(Math.max(FIRST_BACKOFF_MS, backoffMs * 2), LAST_BACKOFF_MS)
      try {
        next = await start()
        postmaster = next
        log.info({ postmaster: next.pid }, 'the embedded PostgreSQL is back')
      } catch (err) {
        if (!stopping.aborted)
          log.error({ err, retryMs: backoffMs }, 'the embedded PostgreSQL does not start')
      }
    }
  }
}
