import { ProtocolError } from '../../protocol/v1/errors.ts'

/** Requests of one session that may wait for each other; one more gets OVERLOADED. */
const MAX_WAITING = 256

/** Runs what changes a session's stream one after the other: a replay has its turn, and so has each change of channels. */
export class Turns {
  #last: Promise<void> | undefined
  #waiting = 0

  /** Runs `work` when everything before it is over. Rejects with what it throws, or at once with OVERLOADED. */
  take(work: () => void | Promise<void>): Promise<void> {
    if (this.#waiting >= MAX_WAITING) {
      const message = `${MAX_WAITING} requests wait for each other already; wait for replies.`
      return Promise.reject(new ProtocolError('OVERLOADED', message))
    }
    this.#waiting++
    const done = (this.#last ?? Promise.resolve()).then(() => {
      this.#waiting--
      return work()
    })
    const over = done.catch(() => {})
    this.#last = over
    void over.then(() => {
      // Nothing is kept of what is over: there are sessions by the hundred thousand.
      if (this.#last === over) this.#last = undefined
    })
    return done
  }
}
