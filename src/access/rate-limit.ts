import { ProtocolError } from '../../protocol/v1/errors.ts'
import type { RateLimits } from '../config/rate-limits.ts'

interface Use {
  count: number
  resetAt: number
}

/** Refusals within a minute that are no longer an accident: the connection is ended (4429). */
const FLOOD_REFUSALS = 1_000
const FLOOD_WINDOW_MS = 60_000
/** Types that are counted each by itself; beyond them those without a rule of their own share one count. */
const MAX_COUNTED = 256

/** Counts what one socket does, by event type or op. A window starts with its first use and is over at `resetAt`. */
export class RateLimiter {
  readonly #limits: RateLimits
  #uses: Map<string, Use> | undefined
  #refusals: Use | undefined

  constructor(limits: RateLimits) {
    this.#limits = limits
  }

  /** Counts one use of `key`; an error if it was used up. */
  use(key: string, now: number): ProtocolError | undefined {
    const refused = this.check(key, now)
    if (refused === undefined) this.count(key, now)
    else this.#refuse(now)
    return refused
  }

  count(key: string, now: number): void {
    const counted = this.#counted(key, now)
    const use = this.#current(counted, now)
    if (use !== undefined) {
      use.count++
      return
    }
    this.#uses ??= new Map()
    this.#uses.set(counted, { count: 1, resetAt: now + this.#rule(key).windowMs })
  }

  check(key: string, now: number): ProtocolError | undefined {
    const use = this.#current(this.#counted(key, now), now)
    const { limit, windowMs } = this.#rule(key)
    if (use === undefined || use.count < limit) return undefined
    const details = { limit, windowMs, resetAt: use.resetAt }
    return new ProtocolError('RATE_LIMITED', `At most ${limit} of '${key}' in ${windowMs} ms.`, details)
  }

  /** Whether the refusals have gone on for too long. */
  get flooding(): boolean {
    return this.#refusals !== undefined && this.#refusals.count > FLOOD_REFUSALS
  }

  /** Types are the client's to choose: one that makes up new ones all the time must neither fill the memory nor go on. */
  #counted(key: string, now: number): string {
    const uses = this.#uses
    if (uses === undefined || uses.size < MAX_COUNTED || uses.has(key)) return key
    if (Object.hasOwn(this.#limits.rules, key)) return key
    for (const [other, { resetAt }] of uses) if (resetAt <= now) uses.delete(other)
    return uses.size < MAX_COUNTED ? key : '*'
  }

  #rule(key: string) {
    return Object.hasOwn(this.#limits.rules, key) ? this.#limits.rules[key]! : this.#limits.rules['*']!
  }

  #current(key: string, now: number): Use | undefined {
    const use = this.#uses?.get(key)
    if (use === undefined || now < use.resetAt) return use
    this.#uses?.delete(key)
    return undefined
  }

  #refuse(now: number): void {
    if (this.#refusals === undefined || now >= this.#refusals.resetAt) {
      this.#refusals = { count: 0, resetAt: now + FLOOD_WINDOW_MS }
    }
    this.#refusals.count++
  }
}

/** Users whose use of HTTP is remembered; whoever has not been heard of for longest is forgotten first. */
const MAX_USERS = 10_000

/** The limits of one socket, for users who come by HTTP and have none. */
export class UserLimits {
  readonly #limits: RateLimits
  readonly #limiters = new Map<string, RateLimiter>()

  constructor(limits: RateLimits) {
    this.#limits = limits
  }

  /** Throws RATE_LIMITED when the user has used `key` as often as it may. */
  use(user: string, key: string): void {
    const limiter = this.#limiters.get(user) ?? new RateLimiter(this.#limits)
    this.#limiters.delete(user)
    this.#limiters.set(user, limiter)
    if (this.#limiters.size > MAX_USERS) this.#limiters.delete(this.#limiters.keys().next().value!)
    const refused = limiter.use(key, Date.now())
    if (refused !== undefined) throw refused
  }
}
