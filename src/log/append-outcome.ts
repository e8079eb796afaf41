import { type ErrorCode, ProtocolError } from '../../protocol/v1/errors.ts'
import type { Group } from './append-statement.ts'
import type { LogEvent } from './event.ts'

/** What became of a group. */
export type Outcome =
  | {
      readonly ok: true
      /** The group's events in the log; of a repeat the first one only. */
      readonly events: readonly LogEvent[]
      /** The request had been committed before. */
      readonly duplicate: boolean
    }
  | { readonly ok: false; readonly error: ProtocolError }

/** A group that has been asked for and not been answered. */
export interface Waiting {
  readonly group: Group
  /** About what it takes, in bytes. */
  readonly bytes: number
  /** When it is to be answered at the latest, in milliseconds on the clock of `performance.now()`, which nobody sets. */
  readonly deadline: number
  readonly settle: (outcome: Outcome) => void
  settled: boolean
}

interface RefusalOptions {
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

export function settle(waiting: Waiting, outcome: Outcome): void {
  if (waiting.settled) return
  waiting.settled = true
  waiting.settle(outcome)
}

export function refuse(waiting: Waiting, code: ErrorCode, message: string, options?: RefusalOptions): void {
  const error = new ProtocolError(code, message, options?.details, { cause: options?.cause })
  settle(waiting, { ok: false, error })
}

export function refuseAsUnavailable(waiting: Waiting): void {
  refuse(waiting, 'UNAVAILABLE', 'the database is away; repeat later with the same messageId')
}

/** The outcome of a request whose sender and messageId are in the log already. */
export function repeatOutcome(earlier: LogEvent, same: boolean): Outcome {
  if (same) return { ok: true, events: [earlier], duplicate: true }
  const message = 'this messageId was used for another event; take a new one'
  return { ok: false, error: new ProtocolError('IDEMPOTENCY_CONFLICT', message, { eventId: earlier.id }) }
}
