import type { Encoding } from '../../src/transport/transport.ts'
import { Connection, type ReceivedFrame } from './connection.ts'
import type { Event, Happening, Recorder } from './history.ts'

/** The server as clients know it. */
export interface World {
  readonly recorder: Recorder
  /** Undefined while it is known not to listen. */
  url(): string | undefined
  token(user: string, role: string): Promise<string>
}

export interface Draft {
  readonly messageId: string
  readonly channel: string
  readonly type: string
  readonly payload: unknown
}

/** `ok`, the code of an error, or that the connection ended first. */
export type Outcome = 'ok' | 'gone' | string

/** From the connection to `welcome`. */
const WELCOME_MS = 10_000
/** More than any deadline of the server; one that is paused for so long is not drawn. */
const REPLY_MS = 40_000

/**
 * A client: one connection after the other, and one cursor over all of them, kept as §8.4 says. Records all that it sends
 * and receives.
 */
export class Follower {
  readonly user: string
  readonly #world: World
  readonly #role: string
  /** What it asks for when it connects. */
  readonly channels = new Set<string>()
  #lastEventId: number | undefined
  #epoch: string | undefined
  #connection: Connection | undefined
  #connections = 0
  #requests = 0
  #live = false
  #waiting = new Map<number, (reply: ReceivedFrame | undefined) => void>()

  constructor(world: World, user: string, role: string) {
    this.#world = world
    this.user = user
    this.#role = role
  }

  get open(): boolean {
    return this.#connection?.open === true
  }

  get lastEventId(): number | undefined {
    return this.#lastEventId
  }

  /** Whether everything missed has come. */
  get live(): boolean {
    return this.open && this.#live
  }

  /** Of the present connection, or the one to come. */
  get connectionName(): string {
    return `${this.user}#${this.#connections}`
  }

  /** Resolves when the session is welcomed, or is not. */
  async connect(encoding: Encoding): Promise<boolean> {
    const token = await this.#world.token(this.user, this.#role)
    const url = this.#world.url()
    if (url === undefined) return false
    this.#connections++
    return new Promise((resolve) => {
      const patience = setTimeout(() => this.terminate(), WELCOME_MS)
      const settle = (welcomed: boolean) => {
        clearTimeout(patience)
        resolve(welcomed)
      }
      const connection = new Connection(url, this.connectionName, encoding, {
        opened: () => this.#hello(connection, token),
        received: (frame, bytes) => {
          this.#received(connection, frame, bytes)
          if (frame.op === 'welcome') settle(true)
        },
        ended: (code, by) => {
          this.#record({ is: 'closed', connection: connection.name, code, by })
          this.#forgetRequests()
          settle(false)
        },
      })
      this.#connection = connection
      this.#live = false
    })
  }

  publish(draft: Draft, intent: 'publish' | 'retry' | 'repeat' | 'misuse'): Promise<Outcome> {
    const { messageId, channel, type } = draft
    const payload = JSON.stringify(draft.payload)
    const { user } = this
    return this.#ask(
      { op: 'publish', ...draft },
      (asked) => ({ is: 'publish', ...asked, user, messageId, channel, type, payload, intent }),
      (asked, { messageId, channel, eventId, seq, ts, duplicate = false }) => ({
        ...{ is: 'acknowledged', ...asked, messageId, channel, eventId, seq, ts, duplicate },
      }),
    )
  }

  async subscribe(channel: string, last?: number): Promise<void> {
    const outcome = await this.#ask(
      { op: 'subscribe', channel, ...(last !== undefined && { last }) },
      (asked) => ({ is: 'subscribe', ...asked, channel, last }),
      (asked, { channel, seq, pos, events }) => {
        const list = (events as any[] | undefined)?.map(toEvent)
        return { is: 'subscribed', ...asked, channel, seq, pos, events: list }
      },
    )
    if (outcome === 'ok') this.channels.add(channel)
  }

  async unsubscribe(channel: string): Promise<void> {
    this.channels.delete(channel)
    await this.#ask(
      { op: 'unsubscribe', channel },
      (asked) => ({ is: 'unsubscribe', ...asked, channel }),
      (asked) => ({ is: 'unsubscribed', ...asked, channel }),
    )
  }

  async history(
    channel: string,
    span: { readonly after: number } | { readonly before: number },
    limit: number,
  ): Promise<void> {
    const { after, before } = { after: undefined, before: undefined, ...span }
    await this.#ask(
      { op: 'history', channel, limit, ...span },
      (asked) => ({ is: 'ask', ...asked, channel }),
      (asked, { events, more }) => {
        const list = (events as any[]).map(toEvent)
        return { is: 'told', ...asked, channel, after, before, limit, events: list, more }
      },
    )
  }

  async sync(lastEventId: number): Promise<void> {
    await this.#ask(
      { op: 'sync', lastEventId },
      (asked) => ({ is: 'sync', ...asked, lastEventId }),
      (asked) => {
        this.#live = false
        return { is: 'synced', ...asked, lastEventId }
      },
    )
  }

  /** Nothing is due any more: the checks may say what is missing. */
  settled(): void {
    if (this.#connection !== undefined) this.#record({ is: 'settled', connection: this.#connection.name })
  }

  close(): void {
    this.#connection?.close()
  }

  terminate(): void {
    this.#connection?.terminate()
  }

  /** Reads nothing for so long. */
  stopReading(ms: number): void {
    const connection = this.#connection
    connection?.pause()
    setTimeout(() => connection?.resume(), ms).unref()
  }

  #hello(connection: Connection, token: string): void {
    const lastEventId = this.#lastEventId
    const { user, encoding } = { user: this.user, encoding: connection.encoding }
    const channels = [...this.channels]
    this.#record({ is: 'hello', connection: connection.name, user, encoding, channels, lastEventId })
    const cursor = lastEventId === undefined ? undefined : { lastEventId, epoch: this.#epoch }
    connection.send({ op: 'hello', token, channels, ...cursor })
  }

  #received(connection: Connection, frame: ReceivedFrame, bytes: Buffer): void {
    const { name, encoding } = connection
    switch (frame.op) {
      case 'welcome': {
        const { resume, epoch, pos, channels, refused } = frame
        this.#epoch = epoch
        return this.#record({ is: 'welcome', connection: name, resume, epoch, pos, channels, refused })
      }
      case 'event': {
        this.#move(frame.id!)
        const place = this.#world.recorder.frame(encoding, bytes, () => toEvent(frame))
        return this.#record({ is: 'event', connection: name, frame: place })
      }
      case 'live':
        this.#live = true
        this.#lastEventId ??= frame.pos
        this.#move(frame.pos)
        return this.#record({ is: 'live', connection: name, pos: frame.pos })
      case 'refresh':
        this.#live = true
        this.#lastEventId = frame.pos
        this.#epoch = frame.epoch
        return this.#record({ is: 'refresh', connection: name, pos: frame.pos, reason: frame.reason })
      case 'ping':
        this.#move(frame.pos)
        this.#record({ is: 'ping', connection: name, pos: frame.pos })
        return connection.send({ op: 'pong' })
      case 'ok':
      case 'error':
        return this.#replied(connection, frame)
    }
  }

  /** Upward, if there is a cursor at all. */
  #move(id: number): void {
    if (this.#lastEventId !== undefined && id > this.#lastEventId) this.#lastEventId = id
  }

  #replied(connection: Connection, frame: ReceivedFrame): void {
    const waiting = frame.id === undefined ? undefined : this.#waiting.get(frame.id)
    if (waiting !== undefined) waiting(frame)
    else if (frame.op === 'error') {
      this.#record({ is: 'refused', connection: connection.name, request: frame.id, code: frame.code })
    }
  }

  #ask(
    frame: object,
    sent: (asked: Asked) => Happening,
    granted: (asked: Asked, reply: ReceivedFrame) => Happening,
  ): Promise<Outcome> {
    const connection = this.#connection
    if (!connection?.open) return Promise.resolve('gone')
    const request = ++this.#requests
    const asked = { connection: connection.name, request }
    this.#record(sent(asked))
    connection.send({ ...frame, id: request })
    return new Promise((resolve) => {
      const patience = setTimeout(() => this.#record({ is: 'unanswered', ...asked }), REPLY_MS)
      this.#waiting.set(request, (reply) => {
        clearTimeout(patience)
        this.#waiting.delete(request)
        if (reply === undefined) return resolve('gone')
        const { op, code } = reply
        this.#record(op === 'ok' ? granted(asked, reply) : { is: 'refused', ...asked, code })
        resolve(op === 'ok' ? 'ok' : code)
      })
    })
  }

  #forgetRequests(): void {
    for (const waiting of [...this.#waiting.values()]) waiting(undefined)
  }

  #record(happening: Happening): void {
    this.#world.recorder.record(happening)
  }
}

interface Asked {
  readonly connection: string
  readonly request: number
}

function toEvent({ id, channel, seq, type, payload, from, messageId, ts }: any): Event {
  return { id, channel, seq, type, payload: JSON.stringify(payload), from, messageId, ts }
}
