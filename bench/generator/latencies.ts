import { percentile } from '../statistics.ts'

export interface Percentiles {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** A uniform sample of latencies (reservoir sampling, Vitter's algorithm R). */
export class Latencies {
  readonly #sample = new Float64Array(100_000)
  #seen = 0

  add(ms: number): void {
    const n = this.#seen++
    const place = n < this.#sample.length ? n : Math.floor(Math.random() * (n + 1))
    if (place < this.#sample.length) this.#sample[place] = ms
  }

  reset(): void {
    this.#seen = 0
  }

  percentiles(): Percentiles {
    const sample = this.#sample.subarray(0, Math.min(this.#seen, this.#sample.length))
    return { p50Ms: percentile(sample, 0.5), p99Ms: percentile(sample, 0.99), maxMs: percentile(sample, 1) }
  }
}
