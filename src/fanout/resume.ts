import { ProtocolError } from '../../protocol/v1/errors.ts'
import type { Log } from '../log/log.ts'

/** The position that a client says it has reached. */
export interface Cursor {
  readonly epoch: string
  readonly lastEventId: number
}

export interface ResumeLimits {
  /** Events that one resume replays at most; more is `gap_too_large`. */
  readonly replayMaxEvents: number
  /** How old the oldest missed event may be, in milliseconds; older is `too_old`. */
  readonly replayMaxAgeMs: number
}

export type RefreshReason = 'gap_too_large' | 'too_old' | 'epoch_changed' | 'ahead_of_log'

/** All that was missed, or a refresh; never a part (§8.6). */
export type ResumePlan =
  | {
      readonly outcome: 'resumed'
      /** Each channel's seq at the client's position. */
      readonly seqs: ReadonlyMap<string, number>
    }
  | { readonly outcome: 'refresh'; readonly reason: RefreshReason }

type ResumeLog = Pick<
  Log,
  'epoch' | 'position' | 'window' | 'seqs' | 'head' | 'seqsAt' | 'missed' | 'reached'
>

/** Decides what a client that comes back with `cursor` gets on `channels`. */
export async function planResume(
  log: ResumeLog,
  limits: ResumeLimits,
  channels: readonly string[],
  cursor: Cursor,
): Promise<ResumePlan> {
  const after = cursor.lastEventId
  if (cursor.epoch === log.epoch && after > log.position) {
    // A tail that merely lags is waited for; only Postgres can say that a position does not exist.
    const head = await log.head()
    if (head.epoch === cursor.epoch && after > head.id) return { outcome: 'refresh', reason: 'ahead_of_log' }
    await log.reached(after, AbortSignal.timeout(TAIL_WAIT_MS))
  }
  if (cursor.epoch !== log.epoch) return { outcome: 'refresh', reason: 'epoch_changed' }
  if (after > log.position) throw new ProtocolError('UNAVAILABLE', 'this node is behind the log; try again')

  await log.seqs.load(channels)
  let last = 0
  for (const channel of channels) last += log.seqs.get(channel) ?? 0
  const fromWindow = log.window.covers(after)
  const starts = fromWindow ? seqsFromWindow(log, channels, after) : await log.seqsAt(channels, after)
  let missed = last
  for (const channel of channels) missed -= starts.get(channel) ?? 0
  if (missed > limits.replayMaxEvents) return { outcome: 'refresh', reason: 'gap_too_large' }
  if (missed > 0) {
    const oldest = fromWindow
      ? Math.min(
          ...channels.map((channel) => log.window.first(channel, after)?.ts ?? Number.POSITIVE_INFINITY),
        )
      : (await log.missed(channels, after, log.position, 1))[0]?.ts
    if (oldest !== undefined && oldest < Date.now() - limits.replayMaxAgeMs) {
      return { outcome: 'refresh', reason: 'too_old' }
    }
  }
  return { outcome: 'resumed', seqs: starts }
}

const TAIL_WAIT_MS = 2_000

/** Called with everything loaded and in one go, so that the seqs and the window are those of one position. */
function seqsFromWindow(log: ResumeLog, channels: readonly string[], after: number): Map<string, number> {
  const seqs = new Map<string, number>()
  for (const channel of channels) {
    const first = log.window.first(channel, after)
    seqs.set(channel, first === undefined ? (log.seqs.get(channel) ?? 0) : first.seq - 1)
  }
  return seqs
}
