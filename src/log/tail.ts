import type { Logger } from '../ops/logger.ts'
import type { LogEvent } from './event.ts'

export interface LogPosition {
  readonly epoch: string
  /** The last id. */
  readonly id: number
}

export interface TailOptions {
  /** Where the log stands in Postgres. */
  readonly readHead: () => Promise<LogPosition>
  /** At most `limit` events of the log after `id`, ascending. */
  readonly read: (id: number, limit: number) => Promise<LogEvent[]>
  /** Receives every event of the log exactly once, in id order and without a gap, in runs of one or more. */
  readonly emit: (events: readonly LogEvent[]) => void
  /** The log is another one, or has gone back: nothing that was emitted can be relied on; the tail is now at `position`. */
  readonly reset: (position: LogPosition) => void
  readonly log: Logger
  /** How often Postgres is asked where the log stands, in milliseconds. */
  readonly headCheckMs: number
}

/** How old the last answer of Postgres may be, beside the time between two questions. */
const ANSWER_MS = 2_000
/** How long a hole may be filled by whoever is on its way with the events, before Postgres is asked. */
const HOLE_WAIT_MS = 5
const PAGE_EVENTS = 500
/** What is emitted in one go, in bytes of payload: sockets get their turn to be written in between. */
const SLICE_BYTES = 256 * 1024
/** Events that came early and wait for a hole to be filled; what overflows is dropped and read again. */
const MAX_EARLY_EVENTS = 2_000

/**
 * Follows the log. Takes events from whoever offers them, in any order, and from Postgres what nobody offers. It never
 * skips and never guesses: `next id ≠ position + 1` means that something is missing, and that is read.
 */
export class Tail {
  readonly #options: TailOptions
  #position: number
  #epoch: string
  /** The last id that is known to be in the log. */
  #head: number
  #early: (readonly LogEvent[])[] = []
  #earlyEvents = 0
  #holeTimer: NodeJS.Timeout | undefined
  #headTimer: NodeJS.Timeout | undefined
  #behindSince: number | undefined
  #reachable = true
  #answeredAt = performance.now()
  #checking: Promise<void> | undefined
  #filling = false
  #stopped = false

  constructor(options: TailOptions, start: LogPosition) {
    this.#options = options
    this.#position = start.id
    this.#head = start.id
    this.#epoch = start.epoch
    this.#checkLater()
  }

  /** The id of the last emitted event. */
  get position(): number {
    return this.#position
  }

  get epoch(): string {
    return this.#epoch
  }

  /** Events that are known to be in the log and not emitted yet. */
  get lag(): number {
    return this.#head - this.#position
  }

  /** For how long there have been such events, in milliseconds. */
  get lagMs(): number {
    return this.#behindSince === undefined ? 0 : Date.now() - this.#behindSince
  }

  /** Whether Postgres answered when it was last asked. */
  get reachable(): boolean {
    return this.#reachable && performance.now() - this.#answeredAt < this.#options.headCheckMs + ANSWER_MS
  }

  /** A contiguous run of committed events, each run as often and in whatever order it comes. */
  offer(events: readonly LogEvent[], epoch: string): void {
    const last = events.at(-1)
    if (last === undefined || this.#stopped) return
    // What another epoch brings is not of this log; the head check will find out.
    if (epoch !== this.#epoch) return this.check()
    if (last.id > this.#head) this.#head = last.id
    if (events[0]!.id > this.#position + 1) return this.#keep(events)
    this.#advance(events)
    if (this.#early.length > 0) this.#drainEarly()
  }

  /** Asks Postgres now where the log stands. */
  check(): void {
    clearTimeout(this.#headTimer)
    void this.#checkHead()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#holeTimer)
    clearTimeout(this.#headTimer)
  }

  /** Emits what of the run has not been emitted yet; the run starts at or before the next id. */
  #advance(events: readonly LogEvent[]): void {
    const known = this.#position - events[0]!.id + 1
    if (known >= events.length) return
    const fresh = known > 0 ? events.slice(known) : events
    this.#position = fresh.at(-1)!.id
    if (this.#position >= this.#head) this.#behindSince = undefined
    this.#options.emit(fresh)
  }

  #keep(events: readonly LogEvent[]): void {
    if (this.#earlyEvents + events.length <= MAX_EARLY_EVENTS) {
      this.#early.push(events)
      this.#earlyEvents += events.length
    }
    this.#fillLater()
  }

  #drainEarly(): void {
    this.#early.sort((a, b) => a[0]!.id - b[0]!.id)
    while (this.#early.length > 0 && this.#early[0]![0]!.id <= this.#position + 1) {
      const run = this.#early.shift()!
      this.#earlyEvents -= run.length
      this.#advance(run)
    }
  }

  #fillLater(): void {
    this.#behindSince ??= Date.now()
    if (this.#filling || this.#stopped) return
    this.#holeTimer ??= setTimeout(() => {
      this.#holeTimer = undefined
      if (this.#position < this.#head) void this.#fill()
    }, HOLE_WAIT_MS)
  }

  async #fill(): Promise<void> {
    this.#filling = true
    try {
      while (this.#position < this.#head && !this.#stopped) {
        const epoch = this.#epoch
        const events = await this.#options.read(this.#position, PAGE_EVENTS)
        if (this.#stopped || epoch !== this.#epoch) break
        if (events.length === 0) {
          // Known to be in the log, and not there: the log has gone back.
          await this.#checkHead()
          break
        }
        if (events[0]!.id > this.#position + 1) throw new Error(`the log has no event ${this.#position + 1}`)
        for (const slice of slices(events)) {
          this.#advance(slice)
          await new Promise((resolve) => setImmediate(resolve))
          if (this.#stopped || epoch !== this.#epoch) return
        }
        this.#drainEarly()
      }
    } catch (error) {
      this.#options.log.warn({ err: error }, 'the log cannot be read for the moment; trying again')
    } finally {
      this.#filling = false
    }
  }

  #checkLater(): void {
    clearTimeout(this.#headTimer)
    if (!this.#stopped) this.#headTimer = setTimeout(() => void this.#checkHead(), this.#options.headCheckMs)
  }

  /** One at a time: an older answer must not undo a newer one. */
  #checkHead(): Promise<void> {
    this.#checking ??= this.#askHead().finally(() => {
      this.#checking = undefined
      this.#checkLater()
    })
    return this.#checking
  }

  async #askHead(): Promise<void> {
    try {
      const before = this.#position
      const head = await this.#options.readHead()
      this.#reachable = true
      this.#answeredAt = performance.now()
      if (this.#stopped) return
      if (head.epoch !== this.#epoch || head.id < before) this.#startAnew(head)
      else if (head.id > this.#position) {
        this.#head = Math.max(this.#head, head.id)
        this.#fillLater()
      }
    } catch (error) {
      this.#reachable = false
      this.#options.log.debug({ err: error }, 'the head of the log cannot be read for the moment')
    }
  }

  #startAnew(position: LogPosition): void {
    this.#options.log.error(
      { from: this.#position, to: position.id, epoch: position.epoch },
      'the log is another one',
    )
    this.#epoch = position.epoch
    this.#position = position.id
    this.#head = position.id
    this.#early = []
    this.#earlyEvents = 0
    this.#behindSince = undefined
    this.#options.reset(position)
  }
}

/** The events in order, in runs of about SLICE_BYTES. */
function* slices(events: readonly LogEvent[]): Iterable<readonly LogEvent[]> {
  let start = 0
  let bytes = 0
  for (const [i, event] of events.entries()) {
    bytes += event.payload.length
    if (bytes < SLICE_BYTES && i < events.length - 1) continue
    yield events.slice(start, i + 1)
    start = i + 1
    bytes = 0
  }
}
