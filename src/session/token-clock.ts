/** A session as the token clock needs it. */
export interface Bearing {
  /** When its token ends, in milliseconds since the Unix epoch. */
  readonly tokenEndsAt: number
  tokenEndsSoon(): void
  tokenEnded(): void
}

const TICK_MS = 250

/**
 * Tells each session when its token ends soon and when it has ended, a tick late at the most. Sessions wait in buckets,
 * one per tick, so that a hundred thousand tokens need one timer.
 */
export class TokenClock {
  readonly #noticeMs: number
  readonly #buckets = new Map<number, Set<Bearing>>()
  readonly #placeOf = new Map<Bearing, number>()
  readonly #timer: NodeJS.Timeout
  #tick = currentTick()

  constructor({ noticeMs }: { readonly noticeMs: number }) {
    this.#noticeMs = noticeMs
    this.#timer = setInterval(() => this.#run(), TICK_MS)
  }

  /** Starts with a token, or with the one that takes its place. */
  watch(session: Bearing): void {
    this.forget(session)
    const noticeAt = session.tokenEndsAt - this.#noticeMs
    this.#put(session, Math.max(Date.now(), noticeAt))
  }

  forget(session: Bearing): void {
    const place = this.#placeOf.get(session)
    if (place === undefined) return
    this.#placeOf.delete(session)
    const bucket = this.#buckets.get(place)!
    bucket.delete(session)
    if (bucket.size === 0) this.#buckets.delete(place)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #put(session: Bearing, at: number): void {
    const place = Math.max(this.#tick + 1, Math.ceil(at / TICK_MS))
    let bucket = this.#buckets.get(place)
    if (bucket === undefined) {
      bucket = new Set()
      this.#buckets.set(place, bucket)
    }
    bucket.add(session)
    this.#placeOf.set(session, place)
  }

  #run(): void {
    const now = currentTick()
    while (this.#tick < now) {
      this.#tick++
      for (const session of this.#buckets.get(this.#tick) ?? []) this.#due(session)
    }
  }

  #due(session: Bearing): void {
    this.forget(session)
    if (session.tokenEndsAt <= Date.now()) return session.tokenEnded()
    session.tokenEndsSoon()
    this.#put(session, session.tokenEndsAt)
  }
}

function currentTick(): number {
  return Math.floor(Date.now() / TICK_MS)
}
