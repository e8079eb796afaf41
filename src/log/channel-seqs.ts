import type { LogEvent } from './event.ts'

/** Channels that are remembered at the least. */
const GENERATION_CHANNELS = 50_000

export interface ChannelSeqsOptions {
  /** The last seq of each channel at log position `at`, from Postgres; 0 where there is no event. */
  readonly read: (channels: readonly string[], at: number) => Promise<ReadonlyMap<string, number>>
  /** The tail's position. */
  readonly position: () => number
}

/**
 * The last seq of every channel that was lately used, at the tail's position. Fed by the tail; what is not known is asked
 * from Postgres, all questions of a tick in one query.
 */
export class ChannelSeqs {
  readonly #options: ChannelSeqsOptions
  // Two generations: what has not been used while the young one filled up is forgotten, without a list to keep in order.
  #young = new Map<string, number>()
  #old = new Map<string, number>()
  #generation = 0
  #asked: Set<string> | undefined
  #answer: Promise<void> | undefined

  constructor(options: ChannelSeqsOptions) {
    this.#options = options
  }

  /** The channel's last seq at the tail's position; `undefined`: `load` it first. */
  get(channel: string): number | undefined {
    const young = this.#young.get(channel)
    if (young !== undefined) return young
    const old = this.#old.get(channel)
    if (old !== undefined) this.#set(channel, old)
    return old
  }

  /** Resolves when `get` knows all of these channels. */
  async load(channels: readonly string[]): Promise<void> {
    for (;;) {
      const unknown = channels.filter((channel) => this.get(channel) === undefined)
      if (unknown.length === 0) return
      await this.#ask(unknown)
    }
  }

  /** Takes note of what the tail emits. */
  update(events: readonly LogEvent[]): void {
    for (const event of events) this.#set(event.channel, event.seq)
  }

  /** Forgets everything: the log is another one. */
  reset(): void {
    this.#young.clear()
    this.#old.clear()
    this.#generation += 2
  }

  #ask(channels: readonly string[]): Promise<void> {
    this.#asked ??= new Set()
    for (const channel of channels) this.#asked.add(channel)
    this.#answer ??= new Promise((resolve) => setImmediate(() => resolve(this.#load())))
    return this.#answer
  }

  async #load(): Promise<void> {
    const channels = [...this.#asked!]
    this.#asked = undefined
    this.#answer = undefined
    const generation = this.#generation
    const seqs = await this.#options.read(channels, this.#options.position())
    // Two generations on, the tail may have told of a channel and it may have been forgotten again: the answer is stale.
    if (this.#generation - generation >= 2) return
    for (const [channel, seq] of seqs) {
      // What the tail has told meanwhile is newer.
      if (!this.#young.has(channel) && !this.#old.has(channel)) this.#set(channel, seq)
    }
  }

  #set(channel: string, seq: number): void {
    this.#young.set(channel, seq)
    if (this.#young.size < GENERATION_CHANNELS) return
    this.#old = this.#young
    this.#young = new Map()
    this.#generation++
  }
}
