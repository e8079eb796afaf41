import type { Encoded, Socket } from '../transport/transport.ts'

/** Frames to one socket that have not been handed to it yet. */
export class Outbox {
  readonly #flusher: Flusher
  readonly #socket: Socket
  #frames: Encoded[] | undefined

  constructor(flusher: Flusher, socket: Socket) {
    this.#flusher = flusher
    this.#socket = socket
  }

  push(frame: Encoded): void {
    if (this.#frames !== undefined) {
      this.#frames.push(frame)
      return
    }
    this.#frames = [frame]
    this.#flusher.add(this)
  }

  /** Hands over what has been pushed. */
  flush(): void {
    const frames = this.#frames
    if (frames === undefined) return
    this.#frames = undefined
    if (frames.length === 1) return this.#socket.send(frames[0]!)
    this.#socket.cork(() => {
      for (const frame of frames) this.#socket.send(frame)
    })
  }
}

/** Flushes the outboxes of all sessions at the end of the task, so that the acks of a batch are one write per socket. */
export class Flusher {
  #waiting: Outbox[] = []

  add(outbox: Outbox): void {
    if (this.#waiting.push(outbox) === 1) queueMicrotask(() => this.flush())
  }

  flush(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const outbox of waiting) outbox.flush()
  }
}
