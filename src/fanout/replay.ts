import type { LogEvent } from '../log/event.ts'
import type { Log } from '../log/log.ts'
import type { Encoded, Encoding } from '../transport/transport.ts'
import { frameOf } from './frames.ts'

/** The socket that a replay writes to. */
export interface ReplaySocket {
  readonly encoding: Encoding
  readonly open: boolean
  send(frame: Encoded): void
  cork(write: () => void): void
  bufferedBytes(): number
}

export type ReplayLog = Pick<Log, 'position' | 'epoch' | 'window' | 'missed'>

/** Events written in one go; other sockets get their turn in between. */
const PAGE_EVENTS = 200
/** A page also ends here, so that a replay stays far below the send limit; one event may be larger. */
const PAGE_BYTES = 128 * 1024

/**
 * Sends what was missed on `channels` after `position`, in id order, paced by the socket: a page is sent only when the
 * one before has left the buffer. When the log's end is reached, `caughtUp` runs in the same tick as the last page, so
 * that nothing can slip between the replay and the live stream.
 */
export class Replay {
  readonly #log: ReplayLog
  readonly #socket: ReplaySocket
  readonly #channels: readonly string[]
  readonly #caughtUp: () => void
  readonly #epoch: string
  #position: number
  #drained: (() => void) | undefined

  constructor(
    log: ReplayLog,
    socket: ReplaySocket,
    channels: readonly string[],
    position: number,
    caughtUp: () => void,
  ) {
    this.#log = log
    this.#socket = socket
    this.#channels = channels
    this.#position = position
    this.#caughtUp = caughtUp
    this.#epoch = log.epoch
  }

  /** The id up to which everything due has been handed to the socket. */
  get position(): number {
    return this.#position
  }

  /** The socket's buffer has run empty. */
  drained(): void {
    this.#drained?.()
    this.#drained = undefined
  }

  /**
   * Resolves when `caughtUp` has run, or the socket is closed, or the log is another one.
   *
   * @throws {ProtocolError} UNAVAILABLE when the events are only in Postgres and it is away
   */
  async run(): Promise<void> {
    for (;;) {
      const upTo = this.#log.position
      const page = this.#log.window.covers(this.#position)
        ? this.#log.window.after(this.#position, this.#channels, PAGE_EVENTS)
        : await this.#log.missed(this.#channels, this.#position, upTo, PAGE_EVENTS)
      if (!this.#socket.open || this.#log.epoch !== this.#epoch) return
      const sent = this.#send(page)
      this.#position = sent < page.length || sent === PAGE_EVENTS ? page[sent - 1]!.id : upTo
      if (this.#position === this.#log.position) return this.#caughtUp()
      if (this.#socket.bufferedBytes() > 0) await new Promise<void>((resolve) => (this.#drained = resolve))
      else await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }

  /** Sends the page, or as much of it as fits; returns how many events that are. */
  #send(page: readonly LogEvent[]): number {
    let sent = 0
    let bytes = 0
    this.#socket.cork(() => {
      while (sent < page.length && bytes < PAGE_BYTES) {
        const frame = frameOf(page[sent++]!, this.#socket.encoding)
        bytes += frame.length
        this.#socket.send(frame)
      }
    })
    return sent
  }
}
