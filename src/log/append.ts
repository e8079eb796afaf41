import type { Pool, PoolClient } from 'pg'
import { type ErrorCode, ProtocolError } from '../../protocol/v1/errors.ts'
import type { Logger } from '../ops/logger.ts'
import { type AppendRow, Batch, type Group, readAppendRow } from './append-statement.ts'
import type { LogEvent } from './event.ts'
import { findMessages } from './read.ts'

export type { Group, StateWrite } from './append-statement.ts'

export type Outcome =
  | {
      readonly ok: true
      /** The group's events in the log; of a repeat the first one only. */
      readonly events: readonly LogEvent[]
      /** The request had been committed before. */
      readonly duplicate: boolean
    }
  | { readonly ok: false; readonly error: ProtocolError }

export interface AppenderOptions {
  readonly pool: Pool
  readonly log: Logger
  /** Called with each committed batch, in id order, after its groups have been settled and in the same task. */
  readonly committed: (events: LogEvent[], epoch: string) => void
  /** Called after each batch: how many events, and how many seconds the commit took. */
  readonly measured?: (events: number, seconds: number) => void
  /** How long a group may wait for its commit, in milliseconds; after that it gets UNAVAILABLE. */
  readonly publishTimeoutMs: number
}

/** A batch ends at whichever comes first; a larger group is a batch alone. */
const MAX_BATCH_EVENTS = 1_000
const MAX_BATCH_BYTES = 256 * 1024
/** What may wait for a batch; a group beyond it gets OVERLOADED. */
const MAX_WAITING_EVENTS = 50_000
const MAX_WAITING_BYTES = 64 * 1024 * 1024
/** Channels whose last seq is remembered. */
const MAX_KNOWN_CHANNELS = 100_000
const EXPIRE_EVERY_MS = 100
const RETRY_MS = { first: 20, most: 500 }

interface Waiting {
  readonly group: Group
  readonly bytes: number
  readonly deadline: number
  readonly settle: (outcome: Outcome) => void
  settled: boolean
}

interface RefusalOptions {
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/**
 * Group commit: requests of all sessions are written in batches, one statement and one batch at a time, which keeps each
 * publisher's order. A group that is refused (a repeat with another body, a lost race, data that Postgres does not take)
 * is refused alone. A commit whose outcome is unknown is tried again and settled by its messageIds.
 */
export class Appender {
  readonly #options: AppenderOptions
  #waiting: Waiting[] = []
  #waitingEvents = 0
  #waitingBytes = 0
  readonly #expiry: NodeJS.Timeout
  #inFlight: readonly Waiting[] = []
  #attemptedAt = 0
  #running: Promise<void> | undefined
  #closed = false
  #client: PoolClient | undefined
  #away = false
  #knownHead = -1
  #knownSeqs = new Map<string, number>()

  constructor(options: AppenderOptions) {
    this.#options = options
    this.#expiry = setInterval(() => this.#expire(), EXPIRE_EVERY_MS)
  }

  /** `settle` is called exactly once, never before this returns. */
  append(group: Group, settle: (outcome: Outcome) => void): void {
    let bytes = 0
    for (const draft of group.events) bytes += draft.payload.length + draft.channel.length + 100
    if (this.#closed) {
      refuseLater(settle, 'UNAVAILABLE', 'the server is shutting down; repeat with the same messageId')
      return
    }
    if (this.#waitingEvents >= MAX_WAITING_EVENTS || this.#waitingBytes + bytes > MAX_WAITING_BYTES) {
      refuseLater(settle, 'OVERLOADED', 'too much waits to be stored; repeat later with the same messageId')
      return
    }
    const deadline = Date.now() + this.#options.publishTimeoutMs
    this.#waiting.push({ group, bytes, deadline, settle, settled: false })
    this.#waitingEvents += group.events.length
    this.#waitingBytes += bytes
    this.#running ??= new Promise((resolve) => setImmediate(() => resolve(this.#run())))
  }

  /** Events that wait for their batch. */
  get waiting(): number {
    return this.#waitingEvents
  }

  /** Resolves when nothing waits any more. */
  async flushed(): Promise<void> {
    await this.#running
  }

  /** Writes what is waiting, then gives the connection back. Later groups get UNAVAILABLE. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
    clearInterval(this.#expiry)
    this.#client?.release()
    this.#client = undefined
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) await this.#write(this.#take())
    this.#inFlight = []
    this.#running = undefined
  }

  /** The next batch: the oldest groups, up to the batch's bounds and to the first second write of one state row. */
  #take(): Waiting[] {
    const states = new Set<string>()
    let events = 0
    let bytes = 0
    let count = 0
    for (const { group, bytes: groupBytes } of this.#waiting) {
      const state = group.state?.channel
      const full = events + group.events.length > MAX_BATCH_EVENTS || bytes + groupBytes > MAX_BATCH_BYTES
      if (count > 0 && (full || (state !== undefined && states.has(state)))) break
      if (state !== undefined) states.add(state)
      events += group.events.length
      bytes += groupBytes
      count++
    }
    const batch = count === this.#waiting.length ? this.#waiting : this.#waiting.slice(0, count)
    this.#waiting = count === this.#waiting.length ? [] : this.#waiting.slice(count)
    this.#waitingEvents -= events
    this.#waitingBytes -= bytes
    return batch
  }

  /** Writes the groups, in order, and settles every one of them. */
  async #write(groups: Waiting[]): Promise<void> {
    let pending = groups
    for (let failures = 0; pending.length > 0; pending = pending.filter((waiting) => !waiting.settled)) {
      this.#inFlight = pending
      const batch = new Batch(pending)
      try {
        const row = await this.#commit(batch)
        if (row.lost.length === 0) this.#settle(pending, batch, row)
        else refuseLost(pending, batch.stateChannels(row.lost))
      } catch (error) {
        if (isRepeat(error) && (await this.#settleRepeats(pending))) continue
        if (!isRepeat(error) && !isBadData(error)) {
          this.#disconnect(error as Error)
          await sleep(Math.min(RETRY_MS.first * 2 ** failures++, RETRY_MS.most))
        } else if (pending.length > 1) {
          return this.#writeHalves(pending)
        } else {
          this.#options.log.error(
            { err: error },
            'an event passed the checks at the door and was refused by Postgres',
          )
          refuse(pending[0]!, 'INVALID_PAYLOAD', 'the database refused this event', { cause: error })
        }
      }
    }
  }

  /** Finds the group that spoils a batch: the halves are written one after the other, so the order stays. */
  async #writeHalves(groups: Waiting[]): Promise<void> {
    const middle = groups.length >> 1
    await this.#write(groups.slice(0, middle))
    await this.#write(groups.slice(middle))
  }

  async #commit(batch: Batch): Promise<AppendRow> {
    this.#attemptedAt = Date.now()
    const started = performance.now()
    const client = await this.#connected()
    const known = batch.channels.map((channel) => this.#knownSeqs.get(channel))
    const { rows } = await client.query<(string | null)[]>(batch.statement(this.#knownHead, known))
    this.#connectedAgain()
    const row = readAppendRow(rows[0]!)
    if (row.lost.length === 0) this.#learn(batch, row)
    this.#options.measured?.(batch.drafts.length, (performance.now() - started) / 1000)
    return row
  }

  async #connected(): Promise<PoolClient> {
    this.#client ??= await this.#options.pool.connect()
    return this.#client
  }

  /** What is known of the channels holds at one log position only: if others have appended, it starts anew. */
  #learn(batch: Batch, row: AppendRow): void {
    if (row.firstId !== this.#knownHead + 1 || this.#knownSeqs.size > MAX_KNOWN_CHANNELS)
      this.#knownSeqs.clear()
    this.#knownHead = row.firstId + batch.drafts.length - 1
    for (const [i, channel] of batch.channels.entries()) {
      this.#knownSeqs.set(channel, row.seqs[i]! + batch.counts[i]!)
    }
  }

  #settle(groups: readonly Waiting[], batch: Batch, row: AppendRow): void {
    const events = batch.committed(row)
    let at = 0
    for (const waiting of groups) {
      const end = at + waiting.group.events.length
      settle(waiting, { ok: true, events: events.slice(at, end), duplicate: false })
      at = end
    }
    this.#options.committed(events, row.epoch)
  }

  /** Settles the groups that are in the log already; false if there was none. */
  async #settleRepeats(groups: readonly Waiting[]): Promise<boolean> {
    const firsts = groups.map(({ group }) => group.events[0]!)
    const found = await this.#connected()
      .then((client) => findMessages(client, firsts))
      .catch((error) => this.#disconnect(error))
    const seen = new Set<string>()
    const again: Waiting[] = []
    for (const [i, waiting] of groups.entries()) {
      const key = `${firsts[i]!.from}\n${firsts[i]!.messageId}`
      const earlier = found?.get(i)
      if (earlier !== undefined) settle(waiting, repeatOutcome(earlier.event, earlier.same))
      else if (seen.has(key)) again.push(waiting)
      else seen.add(key)
    }
    this.#requeue(again)
    return found === undefined || found.size > 0 || again.length > 0
  }

  /** Repeats within one batch go back to the head of the queue: by then the first one is in the log. */
  #requeue(groups: readonly Waiting[]): void {
    for (const waiting of groups) {
      this.#waitingEvents += waiting.group.events.length
      this.#waitingBytes += waiting.bytes
      waiting.settled = true
    }
    this.#waiting.unshift(...groups.map((waiting) => ({ ...waiting, settled: false })))
  }

  /** Answers what has waited too long, also behind or within an attempt that hangs, and gives such an attempt up. */
  #expire(): void {
    if (this.#inFlight.length === 0) return
    const now = Date.now()
    const expired = (waiting: Waiting) => waiting.deadline <= now
    for (const waiting of this.#inFlight) if (expired(waiting)) refuse(waiting, 'UNAVAILABLE', AWAY)
    if (this.#attemptedAt + this.#options.publishTimeoutMs <= now)
      this.#disconnect(new Error('no answer from Postgres'))
    if (this.#waiting.length === 0 || !expired(this.#waiting[0]!)) return
    for (const waiting of this.#waiting.filter(expired)) {
      this.#waitingEvents -= waiting.group.events.length
      this.#waitingBytes -= waiting.bytes
      refuse(waiting, 'UNAVAILABLE', AWAY)
    }
    this.#waiting = this.#waiting.filter((waiting) => !waiting.settled)
  }

  #disconnect(error: Error): void {
    // Said once per outage: attempts go on twice a second.
    if (!this.#away) this.#options.log.warn({ err: error }, 'the log cannot be written; trying on')
    this.#away = true
    this.#client?.release(error)
    this.#client = undefined
    this.#knownHead = -1
  }

  #connectedAgain(): void {
    if (this.#away) this.#options.log.info('the log is written again')
    this.#away = false
  }
}

const AWAY = 'the database is away; repeat later with the same messageId'

/** The outcome of a request whose sender and messageId are in the log already. */
export function repeatOutcome(earlier: LogEvent, same: boolean): Outcome {
  if (same) return { ok: true, events: [earlier], duplicate: true }
  const message = 'this messageId was used for another event; take a new one'
  return { ok: false, error: new ProtocolError('IDEMPOTENCY_CONFLICT', message, { eventId: earlier.id }) }
}

function settle(waiting: Waiting, outcome: Outcome): void {
  if (waiting.settled) return
  waiting.settled = true
  waiting.settle(outcome)
}

function refuse(waiting: Waiting, code: ErrorCode, message: string, options?: RefusalOptions): void {
  settle(waiting, {
    ok: false,
    error: new ProtocolError(code, message, options?.details, { cause: options?.cause }),
  })
}

function refuseLater(settle: (outcome: Outcome) => void, code: ErrorCode, message: string): void {
  queueMicrotask(() => settle({ ok: false, error: new ProtocolError(code, message) }))
}

function refuseLost(groups: readonly Waiting[], lost: ReadonlySet<string>): void {
  for (const waiting of groups) {
    const channel = waiting.group.state?.channel
    if (channel === undefined || !lost.has(channel)) continue
    refuse(waiting, 'CONFLICT', 'somebody else changed this first; read it again', { details: { channel } })
  }
}

function isRepeat(error: unknown): boolean {
  const { code, constraint } = error as { code?: string; constraint?: string }
  return code === '23505' && constraint === 'events_message'
}

/** SQLSTATE classes of the data's own faults: data exception, cardinality, integrity, program limit. */
function isBadData(error: unknown): boolean {
  const { code } = error as { code?: string }
  return typeof code === 'string' && ['21', '22', '23', '54'].includes(code.slice(0, 2))
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
