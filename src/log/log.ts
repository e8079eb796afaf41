import type { Pool } from 'pg'
import { ProtocolError } from '../../protocol/v1/errors.ts'
import type { Logger } from '../ops/logger.ts'
import { Appender, type Group, type Outcome } from './append.ts'
import { repeatOutcome } from './append-outcome.ts'
import { ChannelSeqs } from './channel-seqs.ts'
import type { LogEvent } from './event.ts'
import { findMessages, readChannels, readHead, readHistory, readLog, readSeqs } from './read.ts'
import { type LogPosition, Tail } from './tail.ts'
import { Window } from './window.ts'

export interface LogOptions {
  readonly pool: Pool
  readonly log: Logger
  readonly windowMs: number
  readonly windowBytes: number
  readonly publishTimeoutMs: number
  readonly headCheckMs: number
  /** Every event of the log, once, in id order: those after the position that the log was opened at. */
  readonly emit: (events: readonly LogEvent[]) => void
  /** The log is another one, or has gone back. */
  readonly reset: (position: LogPosition) => void
  /** Called after each committed batch: how many events, and how many seconds the commit took. */
  readonly measured?: (events: number, seconds: number) => void
}

/** Reads under way at once; a storm of them must not keep the appends and the tail from their connections. */
const MAX_READS = 4

/** The log as the rest of the server sees it: append, what was lately appended, and what is older. */
export class Log {
  readonly #pool: Pool
  readonly #appender: Appender
  readonly #tail: Tail
  readonly seqs: ChannelSeqs
  readonly window: Window
  #reads = 0
  readonly #readQueue: { go: () => void; refuse: (error: ProtocolError) => void }[] = []
  readonly #arrivals: { id: number; resolve: () => void }[] = []

  private constructor(options: LogOptions, start: LogPosition) {
    this.#pool = options.pool
    this.window = new Window({ maxAgeMs: options.windowMs, maxBytes: options.windowBytes }, start.id)
    this.seqs = new ChannelSeqs({
      read: (channels, at) => this.seqsAt(channels, at),
      position: () => this.#tail.position,
    })
    this.#tail = new Tail(
      {
        readHead: () => readHead(this.#pool),
        read: (id, limit) => readLog(this.#pool, id, limit),
        emit: (events) => {
          this.window.push(events)
          this.seqs.update(events)
          options.emit(events)
          this.#arrived()
        },
        reset: (position) => {
          this.window.reset(position.id)
          this.seqs.reset()
          options.reset(position)
          this.#arrived()
        },
        log: options.log,
        headCheckMs: options.headCheckMs,
      },
      start,
    )
    this.#appender = new Appender({
      pool: options.pool,
      log: options.log,
      publishTimeoutMs: options.publishTimeoutMs,
      committed: (events, epoch) => this.#tail.offer(events, epoch),
      ...(options.measured && { measured: options.measured }),
    })
  }

  static async open(options: LogOptions): Promise<Log> {
    return new Log(options, await readHead(options.pool))
  }

  /** The id of the last event that this node has emitted. */
  get position(): number {
    return this.#tail.position
  }

  get epoch(): string {
    return this.#tail.epoch
  }

  /** Events that are known to be in the log and have not been emitted here. */
  get lag(): number {
    return this.#tail.lag
  }

  /** For how long there have been such events, in milliseconds. */
  get lagMs(): number {
    return this.#tail.lagMs
  }

  /** Whether Postgres answered when it was last asked. */
  get reachable(): boolean {
    return this.#tail.reachable
  }

  /** Events that wait for their batch. */
  get waiting(): number {
    return this.#appender.waiting
  }

  /** Writes what is waiting; whatever comes later gets UNAVAILABLE. */
  closeAppends(): Promise<void> {
    return this.#appender.close()
  }

  /** Appends a group; `settle` is called exactly once. */
  append(group: Group, settle: (outcome: Outcome) => void): void {
    this.#appender.append(group, settle)
  }

  /** Where the log stands in Postgres. */
  head(): Promise<LogPosition> {
    return this.#paced(() => readHead(this.#pool))
  }

  /** The whole log after `id`: at most `limit` events, ascending. */
  async after(id: number, limit: number): Promise<LogEvent[]> {
    if (this.window.covers(id)) return this.window.slice(id, limit)
    return this.#paced(() => readLog(this.#pool, id, limit))
  }

  /** A channel's events with `after` < id < `before`, ascending: the first `limit` ones, or the last. */
  history(
    channel: string,
    after: number,
    before: number,
    limit: number,
    from: 'first' | 'last',
  ): Promise<LogEvent[]> {
    return this.#paced(() => readHistory(this.#pool, channel, after, before, limit, from))
  }

  /** The last seq of each channel at log position `at`. */
  seqsAt(channels: readonly string[], at: number): Promise<Map<string, number>> {
    return this.#paced(() => readSeqs(this.#pool, channels, at))
  }

  /** Events of `channels` with `after` < id <= `upTo` from Postgres, ascending, at most `limit`. */
  missed(channels: readonly string[], after: number, upTo: number, limit: number): Promise<LogEvent[]> {
    return this.#paced(() => readChannels(this.#pool, channels, after, upTo, limit))
  }

  /** The outcome of a request that was committed lately under the same sender and messageId. */
  async repeat(event: LogEvent, group: Group): Promise<Outcome> {
    const draft = group.events[0]!
    if (event.channel === draft.channel && event.type === draft.type && event.payload === draft.payload) {
      return repeatOutcome(event, true)
    }
    // Equal as JSON values though not as text? Postgres compares them.
    try {
      const found = await this.#paced(() => findMessages(this.#pool, [draft]))
      return repeatOutcome(event, found.get(0)?.same ?? false)
    } catch (error) {
      if (error instanceof ProtocolError) return { ok: false, error }
      throw error
    }
  }

  /** Resolves when the event `id` has been emitted here, or the signal is aborted. */
  reached(id: number, signal: AbortSignal): Promise<void> {
    if (this.position >= id || signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const arrival = { id, resolve }
      this.#arrivals.push(arrival)
      signal.addEventListener('abort', () => {
        const place = this.#arrivals.indexOf(arrival)
        if (place >= 0) this.#arrivals.splice(place, 1)
        resolve()
      })
    })
  }

  /** Writes what is waiting, then stops following. */
  async close(): Promise<void> {
    await this.#appender.close()
    this.#tail.stop()
  }

  #arrived(): void {
    if (this.#arrivals.length === 0) return
    const position = this.position
    for (const arrival of this.#arrivals.splice(0)) {
      if (arrival.id <= position) arrival.resolve()
      else this.#arrivals.push(arrival)
    }
  }

  async #paced<T>(read: () => Promise<T>): Promise<T> {
    if (this.#reads >= MAX_READS) {
      await new Promise<void>((go, refuse) => this.#readQueue.push({ go, refuse }))
    }
    this.#reads++
    try {
      return await read()
    } catch (cause) {
      if (!isOutage(cause)) throw cause
      const error = new ProtocolError('UNAVAILABLE', 'the database is away; try again later', undefined, {
        cause,
      })
      // Those in line would fail too, each after its own time-out.
      for (const { refuse } of this.#readQueue.splice(0)) refuse(error)
      throw error
    } finally {
      this.#reads--
      this.#readQueue.shift()?.go()
    }
  }
}

/** Whether the database is away, and not merely unwilling: no SQLSTATE at all, or one of a class that passes. */
function isOutage(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code)) return true
  return ['08', '25', '40', '53', '55', '57', '58', 'XX'].includes(code.slice(0, 2))
}
