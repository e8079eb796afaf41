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

/** Events read, and written in one go at the most; other sockets get their turn in between. */
const MOST_PAGE_EVENTS = 200
/** The first page's: until it is known how large the events are. */
const FIRST_PAGE_EVENTS = 50

/**
 * Sends what was missed on `channels` after `position`, in id order, paced by the socket: a page is sent only when the
 * one before has left the buffer. When the log's end is reached, `caughtUp` runs in the same tick as the last page, so
 * that nothing can slip between the replay and the live stream.
 */
export class Replay {
  readonly #log: ReplayLog
  readonly #socket: ReplaySocket
  readonly #channels: readonly string[]
  readonly #pageBytes: number
  readonly #caughtUp: () => void
  readonly #epoch: string
  #position: number
  #pageEvents = FIRST_PAGE_EVENTS
  #drained: (() => void) | undefined

  /** `pageBytes`: a page ends here, so that a replay stays far below the send limit; one event may be larger. */
  constructor(
    log: ReplayLog,
    socket: ReplaySocket,
    channels: readonly string[],
    position: number,
    pageBytes: number,
    caughtUp: () => void,
  ) {
    this.#log = log
    this.#socket = socket
    this.#channels = channels
    this.#position = position
    this.#pageBytes = pageBytes
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
      const limit = this.#pageEvents
      const page = this.#log.window.covers(this.#position)
        ? this.#log.window.after(this.#position, this.#channels, limit)
        : await this.#log.missed(this.#channels, this.#position, upTo, limit)
      if (!this.#isDue) return
      const sent = this.#send(page)
      // What does not fit is read again, so no more is read the next time.
      if (sent < page.length) this.#pageEvents = sent
      else if (sent === limit) this.#pageEvents = Math.min(2 * limit, MOST_PAGE_EVENTS)
      this.#position = sent < page.length || sent === limit ? page[sent - 1]!.id : upTo
      if (this.#position === this.#log.position) return this.#caughtUp()
      // What was sent is handed to the system at the end of the tick.
      await new Promise<void>((resolve) => setImmediate(resolve))
      if (!this.#isDue) return
      if (this.#socket.bufferedBytes() > 0) await new Promise<void>((resolve) => (this.#drained = resolve))
      if (!this.#isDue) return
    }
  }

  get #isDue(): boolean {
    return this.#socket.open && this.#log.epoch === this.#epoch
  }

  /** Sends the page, or as much of it as fits; returns how many events that are. */
  #send(page: readonly LogEvent[]): number {
    let sent = 0
    let bytes = 0
    this.#socket.cork(() => {
      while (sent < page.length && bytes < this.#pageBytes) {
        const frame = frameOf(page[sent++]!, this.#socket.encoding)
        bytes += Buffer.byteLength(frame)
        this.#socket.send(frame)
      }
    })
    return sent
  }
}
