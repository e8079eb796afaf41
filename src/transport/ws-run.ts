/**
 * WebSocket frames that one or more sockets are to get, in this order, at the end of the tick. Sockets that were given
 * the same frames share one run, so that what a batch is to a thousand subscribers is joined once.
 */
export class Run {
  readonly bytes: number
  readonly #frame: Buffer
  readonly #before: Run | undefined
  #after: Run | undefined
  #joined: Buffer | undefined

  constructor(frame: Buffer, before?: Run) {
    this.#frame = frame
    this.#before = before
    this.bytes = before === undefined ? frame.length : before.bytes + frame.length
  }

  /** This run and then that one, which is of one frame. */
  and(one: Run): Run {
    const after = this.#after
    if (after !== undefined && after.#frame === one.#frame) return after
    this.#after = new Run(one.#frame, this)
    return this.#after
  }

  join(): Buffer {
    if (this.#before === undefined) return this.#frame
    if (this.#joined !== undefined) return this.#joined
    const joined = Buffer.allocUnsafe(this.bytes)
    for (let run: Run | undefined = this; run !== undefined; run = run.#before) {
      joined.set(run.#frame, run.bytes - run.#frame.length)
    }
    this.#joined = joined
    return joined
  }
}
