import { setTimeout as sleep } from 'node:timers/promises'
import { Follower, type World } from './follower.ts'
import type { Random } from './random.ts'

/** Follows some channels; comes and goes, reads slowly, changes its mind, asks for what it has already seen. */
export class Reader {
  readonly follower: Follower
  readonly #random: Random
  readonly #channels: readonly string[]

  constructor(world: World, user: string, channels: readonly string[], random: Random) {
    this.follower = new Follower(world, user, 'customer')
    for (const channel of random.some(channels, random.integer(1, channels.length)))
      this.follower.channels.add(channel)
    this.#channels = channels
    this.#random = random
  }

  /** Restless until `calm`, then it just follows, until `over`. */
  async run(calm: AbortSignal, over: AbortSignal): Promise<void> {
    const random = this.#random
    while (!over.aborted) {
      if (this.follower.open) {
        if (!calm.aborted) await this.#act()
        await sleep(random.integer(20, 400))
      } else if (!(await this.follower.connect(random.pick(['json', 'msgpack']))))
        await sleep(random.integer(30, 400))
    }
    this.follower.close()
  }

  async #act(): Promise<void> {
    const random = this.#random
    const { follower } = this
    switch (
      random.weighted({
        listen: 30,
        history: 3,
        subscribe: 6,
        unsubscribe: 5,
        sync: 3,
        close: 1,
        hangUp: 3,
        away: 2,
        slow: 3,
      })
    ) {
      case 'listen':
        return
      case 'subscribe':
        void follower.subscribe(random.pick(this.#channels), random.pick([undefined, 0, 3, 200]))
        return
      case 'unsubscribe':
        // What it has, or not.
        void follower.unsubscribe(random.pick(this.#channels))
        return
      case 'sync': {
        const last = follower.lastEventId
        // From the cursor on, or some way back, as if there had been a hole.
        if (last !== undefined) void follower.sync(Math.max(0, last - random.pick([0, 0, 10, 500])))
        return
      }
      case 'history': {
        const id = random.integer(0, follower.lastEventId ?? 0)
        const span = random.chance(0.5) ? { after: id } : { before: id + 1 }
        void follower.history(random.pick(this.#channels), span, random.pick([1, 10, 200]))
        return
      }
      case 'close':
        return follower.close()
      case 'hangUp':
        return follower.terminate()
      case 'away':
        if (random.chance(0.5)) follower.close()
        else follower.terminate()
        await sleep(random.integer(500, 6_000))
        return
      case 'slow': {
        const ms = random.pick([300, 2_000, 6_000])
        follower.stopReading(ms)
        if (random.chance(0.7)) await sleep(ms)
        return
      }
    }
  }
}
