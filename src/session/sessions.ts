import { CLOSE } from '../../protocol/v1/errors.ts'
import type { Services } from '../commands/command.ts'
import type { RateLimits } from '../config.ts'
import type { Logger } from '../ops/logger.ts'
import type { Connection, Socket } from '../transport/transport.ts'
import type { GreetingOptions } from './handshake.ts'
import { Heartbeat } from './heartbeat.ts'
import { Flusher } from './outbox.ts'
import { Session, type SessionContext } from './session.ts'
import { TokenClock } from './token-clock.ts'

export interface SessionsOptions {
  readonly services: Services
  readonly logger: Logger
  readonly greeting: GreetingOptions
  readonly helloTimeoutMs: number
  readonly expiringNoticeMs: number
  readonly rateLimits: RateLimits | undefined
}

/** All sessions of this server, and the clocks that they share. */
export class Sessions {
  readonly #context: SessionContext

  constructor(options: SessionsOptions) {
    const { interval, timeout } = options.greeting.heartbeat
    this.#context = {
      services: options.services,
      greeting: options.greeting,
      helloTimeoutMs: options.helloTimeoutMs,
      rateLimits: options.rateLimits,
      heartbeat: new Heartbeat({ intervalMs: interval, timeoutMs: timeout }),
      tokenClock: new TokenClock({ noticeMs: options.expiringNoticeMs }),
      flusher: new Flusher(),
      sessions: new Set(),
      logger: options.logger,
    }
  }

  open(socket: Socket): Connection {
    return new Session(socket, this.#context)
  }

  byEncoding(): { json: number; msgpack: number } {
    const counts = { json: 0, msgpack: 0 }
    for (const session of this.#context.sessions) counts[session.encoding]++
    return counts
  }

  /** Says goodbye to everybody; they are told to come back at different times within `spreadMs`. */
  endAll(reason: string, spreadMs: number): void {
    for (const session of [...this.#context.sessions]) {
      session.end(CLOSE.shuttingDown, reason, Math.round(Math.random() * spreadMs))
    }
  }

  /** Hands over at once what sessions have to say. */
  flush(): void {
    this.#context.flusher.flush()
  }

  close(): void {
    this.#context.heartbeat.stop()
    this.#context.tokenClock.stop()
  }
}
