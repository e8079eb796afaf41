import { moveCursor } from '../../protocol/v1/cursor.ts'
import type {
  ClientFrame,
  ErrorFrame,
  EventFrame,
  HelloFrame,
  OkHistory,
  ServerFrame,
  StoredEvent,
  WelcomeFrame,
} from '../../protocol/v1/frames.ts'
import { LIMITS } from '../../protocol/v1/limits.ts'
import { VERSION } from '../ops/version.ts'
import { Failure } from './failure.ts'
import { visible } from './show-event.ts'

export interface View {
  /** An event of the channel: each once, in order. */
  event(event: StoredEvent): void
  /** Something a person should know. */
  notice(text: string): void
}

/** This connection is of no use any more; another one may be. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
  /** How long to wait before the next, where the server said so. */
  readonly afterMs: number | undefined

  constructor(message: string, afterMs?: number) {
    super(message)
    this.afterMs = afterMs
  }
}

/**
 * Follows one channel over any number of connections: what a client has to know to show every event once, without the
 * connections themselves. What a resume does not bring, the channel's history does.
 */
export class Follower {
  readonly #channel: string
  readonly #view: View
  #epoch: string | undefined
  #lastEventId: number | undefined
  /** Everything of the channel up to this id has been shown, or was not asked for. */
  #shown: number | undefined
  /** While history is being read: the live events since the last request for it. Earlier ones are in its reply. */
  #held: EventFrame[] | undefined
  #requests = 0

  /** @param after show what is behind this event id; absent: what comes from now on */
  constructor(channel: string, after: number | undefined, view: View) {
    this.#channel = channel
    this.#shown = after
    this.#view = view
  }

  /** The first frame of a connection. */
  hello(token: string): HelloFrame {
    const client = { name: 'bitacora-cli', version: VERSION }
    const hello: HelloFrame = { op: 'hello', token, channels: [this.#channel], client }
    if (this.#lastEventId === undefined || this.#epoch === undefined) return hello
    return { ...hello, lastEventId: this.#lastEventId, epoch: this.#epoch }
  }

  /**
   * @throws {Failure} where no connection will help
   * @throws {Interrupted} where another one may
   */
  receive(frame: ServerFrame, send: (frame: ClientFrame) => void): void {
    this.#lastEventId = moveCursor(this.#lastEventId, frame)
    if (frame.op === 'welcome') this.#welcomed(frame, send)
    else if (frame.op === 'event') this.#arrived(frame)
    else if (frame.op === 'ok') this.#read(frame as Partial<OkHistory>, send)
    else if (frame.op === 'error') this.#refused(frame)
    else if (frame.op === 'ping') send({ op: 'pong' })
    else if (frame.op === 'unsubscribed' && frame.channel === this.#channel) {
      throw new Failure(`${this.#channel} is no longer yours to read: ${visible(frame.reason)}`)
    }
  }

  /** The connection has ended. */
  disconnected(): void {
    // What history did not bring yet lies before the cursor, and a resume would leave it out.
    if (this.#held !== undefined) this.#lastEventId = undefined
    this.#held = undefined
  }

  #welcomed({ epoch, pos, resume, refused }: WelcomeFrame, send: (frame: ClientFrame) => void): void {
    const refusal = refused.find(({ channel }) => channel === this.#channel)
    if (refusal !== undefined) throw new Failure(`${refusal.code}: ${this.#channel} cannot be followed`)
    if (this.#epoch !== undefined) this.#view.notice('connected again')
    if (this.#epoch !== undefined && this.#epoch !== epoch) {
      this.#view.notice('the log is another one now; what was missed in between cannot be told')
      this.#shown = undefined
    }
    this.#epoch = epoch
    this.#shown ??= pos
    if (resume !== 'resumed' && this.#shown < pos) this.#ask(send)
  }

  #ask(send: (frame: ClientFrame) => void): void {
    this.#held = []
    this.#requests++
    const { maxHistoryEvents: limit } = LIMITS
    send({ op: 'history', id: this.#requests, channel: this.#channel, after: this.#shown, limit })
  }

  #read({ id, events, more }: Partial<OkHistory>, send: (frame: ClientFrame) => void): void {
    if (this.#held === undefined || id !== this.#requests || events === undefined) return
    for (const event of events) this.#show(event)
    if (more && events.length > 0) return this.#ask(send)
    const held = this.#held
    this.#held = undefined
    for (const event of held) this.#show(event)
  }

  #refused({ id, code, message, retry, details }: ErrorFrame): void {
    if (this.#held === undefined || id !== this.#requests) return
    const problem = `${code}: ${visible(message)}`
    if (!retry) throw new Failure(problem)
    const resetAt = details?.resetAt
    throw new Interrupted(
      problem,
      typeof resetAt === 'number' ? Math.max(resetAt - Date.now(), 0) : undefined,
    )
  }

  #arrived(event: EventFrame): void {
    if (event.channel !== this.#channel) return
    if (this.#held !== undefined) this.#held.push(event)
    else this.#show(event)
  }

  #show(event: StoredEvent): void {
    if (this.#shown !== undefined && event.id <= this.#shown) return
    this.#shown = event.id
    this.#view.event(event)
  }
}
