/**
 * A histogram that costs a few nanoseconds per observation. (prom-client's own hashes its labels each time, which
 * at tens of thousands of events a second is more than the rest of the bookkeeping.)
 */
export class Distribution {
  readonly #bounds: readonly number[]
  /** One more than there are bounds: the last counts what is above all of them. */
  readonly #counts: Float64Array
  #sum = 0

  /** @param bounds upper bounds of the buckets, inclusive, ascending */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  /** @param times how often this value occurred, for a batch that shares one measurement */
  observe(value: number, times = 1): void {
    const bounds = this.#bounds
    let bucket = 0
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++
    this.#counts[bucket]! += times
    this.#sum += value * times
  }

  get count(): number {
    return this.#counts.reduce((total, count) => total + count, 0)
  }

  get sum(): number {
    return this.#sum
  }

  /** How many observations were at most each bound, as Prometheus wants them: cumulative, `+Inf` last. */
  buckets(): { le: string; count: number }[] {
    let below = 0
    return Array.from(this.#counts, (count, bucket) => {
      below += count
      return { le: String(this.#bounds[bucket] ?? '+Inf'), count: below }
    })
  }
}

/** Counts by a label of few values, such as an error code. */
export class Tally {
  readonly #counts = new Map<string, number>()

  add(label: string, times = 1): void {
    this.#counts.set(label, (this.#counts.get(label) ?? 0) + times)
  }

  of(label: string): number {
    return this.#counts.get(label) ?? 0
  }

  entries(): Iterable<[label: string, count: number]> {
    return this.#counts
  }
}
