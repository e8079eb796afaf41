import { ProtocolError } from '../../protocol/v1/errors.ts'
import type { Hub } from '../fanout/hub.ts'
import { Replay } from '../fanout/replay.ts'
import type { Log } from '../log/log.ts'
import type { Socket } from '../transport/transport.ts'

/**
 * The events of one session: either live, then the hub delivers to its socket, or behind, then a replay does. Its set of
 * channels changes only while it is live.
 */
export class Stream {
  readonly channels = new Set<string>()
  readonly #socket: Socket
  readonly #hub: Hub
  readonly #log: Log
  readonly #pageBytes: number
  #live = false
  #replay: Replay | undefined
  #heldAt: number | undefined

  /** `pageBytes`: what a replay hands to the socket in one go. */
  constructor(socket: Socket, hub: Hub, log: Log, pageBytes: number) {
    this.#socket = socket
    this.#hub = hub
    this.#log = log
    this.#pageBytes = pageBytes
  }

  /** Everything due up to this id has been handed to the socket; `undefined` before the stream has begun. */
  get position(): number | undefined {
    if (this.#live) return this.#log.position
    return this.#replay?.position ?? this.#heldAt
  }

  add(channel: string): void {
    // The socket may have been closed while a subscribe asked the database: nobody would take the channel back.
    if (!this.#socket.open || this.channels.has(channel)) return
    this.channels.add(channel)
    this.#hub.enter(channel)
    if (this.#live) this.#hub.attach(this.#socket, channel)
  }

  remove(channel: string): void {
    if (!this.channels.delete(channel)) return
    if (this.#live) this.#hub.detach(this.#socket, channel)
    this.#hub.leave(channel)
  }

  goLive(): void {
    if (!this.#socket.open) return
    this.#live = true
    for (const channel of this.channels) this.#hub.attach(this.#socket, channel)
  }

  /** Stops the live stream; the client is known to have everything up to `position`. */
  hold(position: number): void {
    this.#heldAt = position
    if (!this.#live) return
    this.#live = false
    for (const channel of this.channels) this.#hub.detach(this.#socket, channel)
  }

  /**
   * Sends everything after `position`, then goes live and calls `caughtUp`, in one go. Resolves then, or when the socket
   * is closed.
   */
  async replay(position: number, caughtUp: () => void): Promise<void> {
    const channels = [...this.channels]
    this.#replay = new Replay(this.#log, this.#socket, channels, position, this.#pageBytes, () => {
      this.goLive()
      caughtUp()
    })
    try {
      await this.#run(this.#replay)
    } finally {
      this.#replay = undefined
    }
  }

  drained(): void {
    this.#replay?.drained()
  }

  close(): void {
    this.hold(0)
    for (const channel of this.channels) this.#hub.leave(channel)
    this.channels.clear()
    this.drained()
  }

  /** What is only in Postgres waits for Postgres; the connection stays. */
  async #run(replay: Replay): Promise<void> {
    for (;;) {
      try {
        return await replay.run()
      } catch (error) {
        if (!(error instanceof ProtocolError && error.code === 'UNAVAILABLE')) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, REPLAY_RETRY_MS))
      if (!this.#socket.open) return
    }
  }
}

const REPLAY_RETRY_MS = 500
