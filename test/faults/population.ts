import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { FeedConsumer } from './feed-consumer.ts'
import type { World } from './follower.ts'
import type { Random } from './random.ts'
import { Reader } from './reader.ts'
import { type Place, Writer } from './writer.ts'

const WRITERS = 5
const READERS = 7
const ROOMS = ['room:a', 'room:b', 'room:c', 'room:d', 'app:main']
const BULK = 'room:bulk'
const PLACE: Place = { channels: ROOMS, bulk: BULK }

/** Writers and readers who come and go. A newcomer takes the place of each one that has gone for good. */
export class Population {
  readonly #world: World
  readonly #random: Random
  readonly #calm = new AbortController()
  readonly #over = new AbortController()
  readonly #present = new Set<Writer | Reader>()
  readonly #lives: Promise<void>[] = []
  readonly #consumer: FeedConsumer

  constructor(world: World, random: Random) {
    this.#world = world
    this.#random = random
    setMaxListeners(0, this.#calm.signal, this.#over.signal)
    this.#consumer = new FeedConsumer(world, 'feed', random.fork('feed'))
    this.#lives.push(this.#consumer.run(this.#over.signal))
    for (let i = 0; i < WRITERS; i++) this.#lives.push(this.#inhabit(`w${i}`))
    for (let i = 0; i < READERS; i++) this.#lives.push(this.#inhabit(`r${i}`))
  }

  /** From now on nobody comes, goes, or publishes anything new. */
  calm(): void {
    this.#calm.abort()
  }

  /** Whether everything is acknowledged and everybody has all events up to `head`. */
  settled(head: number): boolean {
    for (const client of this.#present) {
      if (client instanceof Writer && !client.done) return false
      if (client instanceof Reader && !(client.follower.live && client.follower.lastEventId! >= head))
        return false
    }
    return this.#consumer.position >= head
  }

  /** Those whose messages are not all acknowledged. */
  get waiting(): string[] {
    return [...this.#present]
      .filter((client) => client instanceof Writer && !client.done)
      .map(({ follower }) => follower.user)
  }

  /** Everybody hangs up. */
  async end(): Promise<void> {
    for (const client of this.#present) if (client instanceof Reader) client.follower.settled()
    this.#over.abort()
    await Promise.all(this.#lives)
  }

  async #inhabit(place: string): Promise<void> {
    const random = this.#random.fork(place)
    await sleep(random.integer(0, 1_000))
    for (let n = 1; !this.#calm.signal.aborted; n++) {
      const user = `${place}.${n}`
      const client = place.startsWith('w')
        ? new Writer(this.#world, user, PLACE, random.fork(user))
        : new Reader(this.#world, user, [...ROOMS.slice(0, -1), BULK], random.fork(user))
      this.#present.add(client)
      const gone = new AbortController()
      const { calm, over } = { calm: this.#calm.signal, over: this.#over.signal }
      // A writer leaves when all that it wants to be stored is stored, a reader at once; or at the end.
      const leave = setTimeout(() => gone.abort(), random.integer(4_000, 30_000))
      calm.addEventListener('abort', () => clearTimeout(leave))
      const ends = AbortSignal.any([gone.signal, over])
      if (client instanceof Writer) await client.run(AbortSignal.any([gone.signal, calm]), over)
      else await client.run(calm, ends)
      clearTimeout(leave)
      this.#present.delete(client)
    }
  }
}
