import { refuseAsUnavailable, type Waiting } from './append-outcome.ts'

/** A batch ends at whichever comes first; a larger group is a batch alone. */
const MAX_BATCH_EVENTS = 1_000
const MAX_BATCH_BYTES = 256 * 1024
/** What may wait for a batch. */
const MAX_WAITING_EVENTS = 50_000
const MAX_WAITING_BYTES = 64 * 1024 * 1024

/** Groups that wait for their batch, in the order in which they came. */
export class AppendQueue {
  #waiting: Waiting[] = []
  #events = 0
  #bytes = 0

  /** Events that wait. */
  get events(): number {
    return this.#events
  }

  get empty(): boolean {
    return this.#waiting.length === 0
  }

  /** Whether there is no room for a group of so many bytes. */
  full(bytes: number): boolean {
    return this.#events >= MAX_WAITING_EVENTS || this.#bytes + bytes > MAX_WAITING_BYTES
  }

  add(waiting: Waiting): void {
    this.#waiting.push(waiting)
    this.#count(waiting, 1)
  }

  /** Puts groups that had been taken at the head again. */
  putBack(groups: readonly Waiting[]): void {
    this.#waiting.unshift(...groups)
    for (const waiting of groups) this.#count(waiting, 1)
  }

  /** The next batch: the oldest groups, up to the batch's bounds and to the first second write of one state row. */
  take(): Waiting[] {
    const states = new Set<string>()
    let events = 0
    let bytes = 0
    let count = 0
    for (const waiting of this.#waiting) {
      const { group } = waiting
      const state = group.state?.channel
      const full = events + group.events.length > MAX_BATCH_EVENTS || bytes + waiting.bytes > MAX_BATCH_BYTES
      if (count > 0 && (full || (state !== undefined && states.has(state)))) break
      if (state !== undefined) states.add(state)
      events += group.events.length
      bytes += waiting.bytes
      count++
    }
    const batch = count === this.#waiting.length ? this.#waiting : this.#waiting.slice(0, count)
    this.#waiting = count === this.#waiting.length ? [] : this.#waiting.slice(count)
    this.#events -= events
    this.#bytes -= bytes
    return batch
  }

  /** Refuses the groups whose deadline has passed. */
  expire(now: number): void {
    // The deadlines are in the order of the queue.
    const kept = this.#waiting.findIndex((waiting) => waiting.deadline > now)
    const expired = this.#waiting.splice(0, kept < 0 ? this.#waiting.length : kept)
    for (const waiting of expired) {
      this.#count(waiting, -1)
      refuseAsUnavailable(waiting)
    }
  }

  #count({ group, bytes }: Waiting, sign: 1 | -1): void {
    this.#events += sign * group.events.length
    this.#bytes += sign * bytes
  }
}
