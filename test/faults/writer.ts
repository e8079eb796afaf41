import { setTimeout as sleep } from 'node:timers/promises'
import { type Draft, Follower, type World } from './follower.ts'
import { drawLargePayload, drawPayload } from './payload.ts'
import type { Random } from './random.ts'

/** What a writer may have in flight. */
const MAX_IN_FLIGHT = 150
/** Acknowledged messages that it may repeat. */
const REMEMBERED = 20

export interface Place {
  /** Where many small events go. */
  readonly channels: readonly string[]
  /** Where now and then many large ones go. */
  readonly bulk: string
}

/**
 * Publishes in pipelines; repeats, with the same messageId, what was not acknowledged, on this connection or the next, in
 * the old order (§8.8). Some messages it abandons: they may be there or not, but not twice.
 */
export class Writer {
  readonly follower: Follower
  readonly #random: Random
  readonly #place: Place
  /** Of 70: how often many large events are published, enough in some runs to fill the buffers of who reads slowly. */
  readonly #bulkWeight: number
  readonly #unacknowledged = new Map<string, Draft>()
  readonly #acknowledged: Draft[] = []
  #count = 0

  constructor(world: World, user: string, place: Place, random: Random) {
    this.follower = new Follower(world, user, 'service')
    this.follower.channels.add(random.pick(place.channels))
    this.#place = place
    this.#random = random
    this.#bulkWeight = random.pick([0, 0.5, 6])
  }

  /** Everything that was not abandoned is acknowledged. */
  get done(): boolean {
    return this.#unacknowledged.size === 0
  }

  /** Publishes until `calm`, then only repeats what is not acknowledged, until `over`. */
  async run(calm: AbortSignal, over: AbortSignal): Promise<void> {
    const random = this.#random
    while (!over.aborted && !(calm.aborted && this.done)) {
      if (this.follower.open) {
        if (!calm.aborted) this.#act()
        await sleep(random.integer(2, 120))
      } else if (await this.follower.connect(random.pick(['json', 'msgpack']))) {
        for (const draft of this.#unacknowledged.values()) this.#send(draft, 'retry')
      } else await sleep(random.integer(30, 400))
    }
    this.follower.close()
  }

  #act(): void {
    const random = this.#random
    const { follower } = this
    switch (
      random.weighted({
        burst: 40,
        one: 20,
        bulk: this.#bulkWeight,
        repeat: 3,
        misuse: 1,
        abandon: 3,
        close: 1,
        hangUp: 2,
      })
    ) {
      case 'burst':
        for (let left = random.integer(2, 20); left > 0 && this.#mayPublish(); left--) this.#publish()
        return
      case 'one':
        if (this.#mayPublish()) this.#publish()
        return
      case 'bulk':
        for (let left = random.integer(20, 80); left > 0 && this.#mayPublish(); left--) this.#publishLarge()
        return
      case 'repeat':
        if (this.#acknowledged.length > 0) void follower.publish(random.pick(this.#acknowledged), 'repeat')
        return
      case 'misuse': {
        if (this.#acknowledged.length === 0) return
        const draft = random.pick(this.#acknowledged)
        void follower.publish({ ...draft, payload: { other: draft.payload } }, 'misuse')
        return
      }
      case 'abandon': {
        for (let left = random.integer(1, 3); left > 0; left--)
          void follower.publish(this.#draft(), 'publish')
        if (random.chance(0.5)) follower.terminate()
        return
      }
      case 'close':
        return follower.close()
      case 'hangUp':
        return follower.terminate()
    }
  }

  #mayPublish(): boolean {
    return this.follower.open && this.#unacknowledged.size < MAX_IN_FLIGHT
  }

  #draft(channel = this.#random.pick(this.#place.channels)): Draft {
    const n = ++this.#count
    const messageId = `${this.follower.user}-${n}`
    return { messageId, channel, type: 'note', payload: drawPayload(this.#random, n) }
  }

  #publish(): void {
    const draft = this.#draft()
    this.#unacknowledged.set(draft.messageId, draft)
    this.#send(draft, 'publish')
    // An impatient client: two requests for one message are under way at once.
    if (this.#random.chance(0.02)) this.#send(draft, 'retry')
  }

  #publishLarge(): void {
    const payload = drawLargePayload(this.#random, this.#count, this.#random.integer(1_000, 10_000))
    const draft = { ...this.#draft(this.#place.bulk), payload }
    this.#unacknowledged.set(draft.messageId, draft)
    this.#send(draft, 'publish')
  }

  #send(draft: Draft, intent: 'publish' | 'retry'): void {
    const { follower } = this
    const connection = follower.connectionName
    follower.publish(draft, intent).then(async (outcome) => {
      if (outcome === 'ok') {
        this.#unacknowledged.delete(draft.messageId)
        this.#acknowledged.push(draft)
        if (this.#acknowledged.length > REMEMBERED) this.#acknowledged.shift()
      } else if (outcome !== 'gone') {
        await sleep(this.#random.integer(20, 600))
        const again = this.#unacknowledged.has(draft.messageId) && follower.connectionName === connection
        if (again) this.#send(draft, 'retry')
      }
    })
  }
}
