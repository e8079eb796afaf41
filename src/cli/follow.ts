import type { Credentials } from './credentials.ts'
import { Failure } from './failure.ts'
import { connectOnce } from './follow-connection.ts'
import { Follower, type View } from './follower.ts'
import { pause } from './terminal.ts'

export interface Followed extends Credentials {
  readonly channel: string
  /** Show what is behind this event id. Absent: what comes from now on. */
  readonly after?: number | undefined
}

const FIRST_BACKOFF_MS = 500
const MAX_BACKOFF_MS = 15_000

/**
 * Shows a channel until `stop`: connects, and connects again with back-off where that is of use, resuming where it was.
 *
 * @throws {Failure} where the server says that coming back is of no use as things are
 */
export async function follow(followed: Followed, stop: AbortSignal, view: View): Promise<void> {
  const follower = new Follower(followed.channel, followed.after, view)
  let failures = 0
  for (;;) {
    const end = await connectOnce(followed, follower, stop)
    if (stop.aborted) return
    if (end.final) throw new Failure(end.reason)
    // A server that let us in starts the back-off anew.
    failures = end.welcomed ? 0 : failures + 1
    const waitMs = end.afterMs ?? backoffMs(failures)
    view.notice(`${end.reason}; again in ${(waitMs / 1000).toFixed(1)} s`)
    await pause(waitMs, stop)
    if (stop.aborted) return
  }
}

/** Full jitter: many who lost one server at once do not return at once. */
function backoffMs(failures: number): number {
  return Math.round(Math.random() * Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** failures))
}
