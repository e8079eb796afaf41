import type { Pool, PoolClient } from 'pg'
import { ProtocolError } from '../../protocol/v1/errors.ts'
import type { Logger } from '../ops/logger.ts'
import {
  type Outcome,
  refuse,
  refuseAsUnavailable,
  repeatOutcome,
  settle,
  type Waiting,
} from './append-outcome.ts'
import { AppendQueue } from './append-queue.ts'
import { type AppendRow, Batch, type Group, readAppendRow } from './append-statement.ts'
import type { LogEvent } from './event.ts'
import { findMessages } from './read.ts'

export type { Outcome } from './append-outcome.ts'
export type { Group, StateWrite } from './append-statement.ts'

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

/** Channels whose last seq is remembered. */
const MAX_KNOWN_CHANNELS = 100_000
/** What an event takes in a batch beside its channel and its payload. */
const EVENT_OVERHEAD_BYTES = 100
const EXPIRE_EVERY_MS = 100
const RETRY_MS = { first: 20, most: 500 }

/**
 * Group commit: requests of all sessions are written in batches, one statement and one batch at a time, which keeps each
 * publisher's order. A group that is refused (a repeat with another body, a lost race, data that Postgres does not take)
 * is refused alone. A commit whose outcome is unknown is tried again and settled by its messageIds.
 */
export class Appender {
  readonly #options: AppenderOptions
  readonly #queue = new AppendQueue()
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
    const refusal = (code: 'UNAVAILABLE' | 'OVERLOADED', message: string) =>
      queueMicrotask(() => settle({ ok: false, error: new ProtocolError(code, message) }))
    let bytes = 0
    for (const draft of group.events)
      bytes += draft.payload.length + draft.channel.length + EVENT_OVERHEAD_BYTES
    if (this.#closed)
      return refusal('UNAVAILABLE', 'the server is shutting down; repeat with the same messageId')
    if (this.#queue.full(bytes)) {
      return refusal('OVERLOADED', 'too much waits to be stored; repeat later with the same messageId')
    }
    const deadline = performance.now() + this.#options.publishTimeoutMs
    this.#queue.add({ group, bytes, deadline, settle, settled: false })
    this.#running ??= new Promise((resolve) => setImmediate(() => resolve(this.#run())))
  }

  /** Events that wait for their batch. */
  get waiting(): number {
    return this.#queue.events
  }

  /** Writes what is waiting, then gives the connection back. Later groups get UNAVAILABLE. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
    clearInterval(this.#expiry)
    this.#client?.release()
    this.#client = undefined
  }

  /** A batch is settled while Postgres works on the next one, if there is one. */
  async #run(): Promise<void> {
    let settleLast = () => {}
    while (!this.#queue.empty) {
      this.#inFlight = this.#queue.take()
      const writing = this.#write(this.#inFlight)
      settleLast()
      settleLast = await writing
      if (!this.#queue.empty) continue
      settleLast()
      settleLast = () => {}
    }
    this.#inFlight = []
    this.#running = undefined
  }

  /** Writes the groups, in order. What it resolves to settles those that have not been settled by then. */
  async #write(groups: readonly Waiting[]): Promise<() => void> {
    let pending = groups.filter((waiting) => !waiting.settled)
    for (let failures = 0; pending.length > 0; pending = pending.filter((waiting) => !waiting.settled)) {
      const batch = new Batch(pending)
      try {
        const row = await this.#commit(batch)
        if (row.lost.length === 0) return () => this.#settle(pending, batch, row)
        refuseLost(pending, batch.stateChannels(row.lost))
      } catch (error) {
        if (isRepeat(error) && (await this.#settleRepeats(pending))) continue
        if (!isRepeat(error) && !isBadData(error)) {
          this.#disconnect(error as Error)
          await sleep(Math.min(RETRY_MS.first * 2 ** failures++, RETRY_MS.most))
        } else if (pending.length > 1) {
          return this.#writeHalves(pending)
        } else {
          const message = 'an event passed the checks at the door and was refused by Postgres'
          this.#options.log.error({ err: error }, message)
          refuse(pending[0]!, 'INVALID_PAYLOAD', 'the database refused this event', { cause: error })
        }
      }
    }
    return () => {}
  }

  /** Finds the group that spoils a batch: the halves are written one after the other, so the order stays. */
  async #writeHalves(groups: readonly Waiting[]): Promise<() => void> {
    const middle = groups.length >> 1
    const settleFirst = await this.#write(groups.slice(0, middle))
    settleFirst()
    return this.#write(groups.slice(middle))
  }

  async #commit(batch: Batch): Promise<AppendRow> {
    const started = performance.now()
    this.#attemptedAt = started
    // Nothing is awaited before the query is on its way where there is a connection.
    const client = this.#client ?? (await this.#connected())
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
      const own = events.slice(at, end)
      this.#guarded(() => settle(waiting, { ok: true, events: own, duplicate: false }))
      at = end
    }
    this.#guarded(() => this.#options.committed(events, row.epoch))
  }

  /** Whatever fails in those who are told of a commit, the log goes on. */
  #guarded(tell: () => void): void {
    try {
      tell()
    } catch (error) {
      this.#options.log.error({ err: error }, 'what follows from a commit failed')
    }
  }

  /** Settles the groups that are in the log already; false if there was none. */
  async #settleRepeats(groups: readonly Waiting[]): Promise<boolean> {
    const firsts = groups.map(({ group }) => group.events[0]!)
    const found = await this.#connected()
      .then((client) => findMessages(client, firsts))
      .catch((error) => this.#disconnect(error))
    if (found === undefined) {
      await sleep(RETRY_MS.most)
      return true
    }
    const seen = new Set<string>()
    const again: Waiting[] = []
    for (const [i, waiting] of groups.entries()) {
      const key = `${firsts[i]!.from}\n${firsts[i]!.messageId}`
      const earlier = found.get(i)
      if (earlier !== undefined) settle(waiting, repeatOutcome(earlier.event, earlier.same))
      else if (seen.has(key)) again.push(waiting)
      else seen.add(key)
    }
    // By then the first one is in the log.
    this.#queue.putBack(again.map((waiting) => ({ ...waiting })))
    for (const waiting of again) waiting.settled = true
    return found.size > 0 || again.length > 0
  }

  /** Answers what has waited too long, also behind or within an attempt that hangs, and gives such an attempt up. */
  #expire(): void {
    if (this.#inFlight.length === 0) return
    const now = performance.now()
    for (const waiting of this.#inFlight) if (waiting.deadline <= now) refuseAsUnavailable(waiting)
    if (this.#attemptedAt + this.#options.publishTimeoutMs <= now) {
      this.#disconnect(new Error('no answer from Postgres'))
    }
    this.#queue.expire(now)
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
