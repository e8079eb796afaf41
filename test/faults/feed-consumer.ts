import { setTimeout as sleep } from 'node:timers/promises'
import type { World } from './follower.ts'
import type { Random } from './random.ts'

/** Reads the whole log over HTTP, page after page, and keeps its own cursor (§12.3). */
export class FeedConsumer {
  readonly #world: World
  readonly #user: string
  readonly #random: Random
  #after = 0

  constructor(world: World, user: string, random: Random) {
    this.#world = world
    this.#user = user
    this.#random = random
  }

  /** Everything up to this id has come. */
  get position(): number {
    return this.#after
  }

  async run(over: AbortSignal): Promise<void> {
    const token = await this.#world.token(this.#user, 'service')
    while (!over.aborted) {
      await this.#read(token, over).catch(() => {}) // the server is away, or its database
      await sleep(this.#random.integer(10, 300))
    }
  }

  async #read(token: string, over: AbortSignal): Promise<void> {
    const base = this.#world.url()?.replace('ws:', 'http:').replace(/\/ws$/, '')
    if (base === undefined) return
    const after = this.#after
    const limit = this.#random.pick([1, 50, 1_000])
    const wait = this.#random.pick([0, 1_000])
    const response = await fetch(`${base}/v1/events?after=${after}&limit=${limit}&wait=${wait}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.any([over, AbortSignal.timeout(PATIENCE_MS)]),
    })
    if (response.status !== 200) return
    const { next, events } = (await response.json()) as { next: number; events: any[] }
    this.#after = next
    const list = events.map(({ payload, ...event }) => ({ ...event, payload: JSON.stringify(payload) }))
    this.#world.recorder.record({ is: 'fed', user: this.#user, after, next, events: list })
  }
}

const PATIENCE_MS = 15_000
