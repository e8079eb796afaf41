import type { WebSocket } from 'uWebSockets.js'
import { CLOSE } from '../../protocol/v1/errors.ts'
import { CLOSE_GRACE_MS, fitReason, TOO_SLOW_REASON } from './closing.ts'
import type { Address } from './connection-counts.ts'
import type { Connection, Encoded, Encoding, Listener, Socket } from './transport.ts'
import type { SlowSockets } from './uws-slow-sockets.ts'

/** The user data of a socket: the engine copies its own properties onto the native object. */
export interface UserData {
  readonly socket: UwsSocket
}

type Native = WebSocket<UserData>

/** What all sockets of one transport share. */
export interface UwsShared {
  readonly slowSockets: SlowSockets
  /** Publishes to everybody, for a socket that has no subscription of its own. */
  publish(topic: string, message: Encoded): void
  closed(socket: UwsSocket): void
}

/** How a socket is to be closed as soon as its buffer is empty. */
interface Ending {
  readonly code: number
  readonly reason: string
  readonly timer: NodeJS.Timeout
}

/** `slow`: a message was dropped, so it gets nothing more. `ending`: closed by this side, and not yet gone. */
type State = 'open' | 'slow' | 'ending' | 'closed'

export class UwsSocket implements Socket {
  readonly encoding: Encoding
  readonly address: Address
  readonly #shared: UwsShared
  /** Throws on every use after the close. */
  #native: Native | undefined
  #connection: Connection | undefined
  #ending: Ending | undefined
  #state: State = 'open'
  #subscribed = false
  /** How much had been published when everything held back for this socket was last written, in bytes. */
  #writtenUpTo = 0

  constructor(encoding: Encoding, address: Address, shared: UwsShared) {
    this.encoding = encoding
    this.address = address
    this.#shared = shared
  }

  get ip(): string {
    return this.address.ip
  }

  get open(): boolean {
    return this.#state === 'open'
  }

  send(message: Encoded): void {
    if (this.#state !== 'open') return
    const native = this.#native!
    const { slowSockets } = this.#shared
    const bufferedBytes = native.getBufferedAmount()
    if (slowSockets.mayOverflow(bufferedBytes, this.#writtenUpTo)) this.#writeHeldBack(native)
    if (this.open) native.send(message, typeof message !== 'string')
    if (!this.open) return slowSockets.end()
    slowSockets.sent(bufferedBytes, message)
    this.#writtenUpTo = slowSockets.publishedBytes
  }

  cork(write: () => void): void {
    if (this.#state === 'open') this.#native!.cork(write)
  }

  bufferedBytes(): number {
    return this.#native?.getBufferedAmount() ?? 0
  }

  subscribe(topic: string): void {
    if (this.#state !== 'open') return
    this.#subscribed = true
    this.#native!.subscribe(topic)
  }

  unsubscribe(topic: string): void {
    if (this.#state === 'open') this.#native!.unsubscribe(topic)
  }

  publish(topic: string, message: Encoded): void {
    if (this.#state !== 'open') return
    // The engine lets only those publish that have subscribed to something once.
    if (this.#subscribed) this.#shared.slowSockets.publish(this.#native!, topic, message)
    else this.#shared.publish(topic, message)
  }

  ping(): void {
    if (this.#state === 'open') this.#native!.ping()
  }

  close(code: number, reason: string): void {
    if (this.#state === 'open') this.#end(code, fitReason(reason))
  }

  // What the engine tells.

  opened(native: Native, listener: Pick<Listener, 'opened'>): void {
    this.#native = native
    this.#connection = listener.opened(this)
  }

  received(bytes: Uint8Array, binary: boolean): void {
    if (this.#state === 'open') this.#connection!.message(bytes, binary)
  }

  alive(): void {
    if (this.#state === 'open') this.#connection!.alive()
  }

  /** Inside the engine's walk over the subscribers: nothing may be done here. */
  dropped(): void {
    // An answer to a ping, or the close frame, of a socket that is being ended already.
    if (this.#state !== 'open') return
    this.#state = 'slow'
    this.#shared.slowSockets.add(this)
  }

  drained(): void {
    if (this.#state === 'slow') return this.#shared.slowSockets.end()
    if (this.bufferedBytes() > 0) return
    if (this.#state === 'open') return this.#connection!.drained()
    // Here the engine would send the close frame, and keep the end of the connection back.
    setImmediate(() => this.#endIfDrained())
  }

  closed(code: number): void {
    if (this.#state === 'slow') this.#overflowed()
    const ending = this.#ending
    clearTimeout(ending?.timer)
    this.#state = 'closed'
    this.#native = undefined
    this.#ending = undefined
    this.#shared.closed(this)
    // Not inside the call that closed it.
    queueMicrotask(() => this.#connection?.closed(ending?.code ?? code))
  }

  // What `SlowSockets` asks for.

  /** A message was dropped. `atOnce`: what came after it may be on its way, and is taken back. */
  tooSlow(atOnce: boolean): void {
    if (this.#state !== 'slow') return
    this.#overflowed()
    this.#end(CLOSE.tooSlow, TOO_SLOW_REASON)
    if (atOnce) this.#native?.close()
  }

  /** Writes what is held back if that could exceed the limit; returns the bytes in the buffer. */
  flushNearLimit(): number {
    if (this.#state !== 'open') return 0
    const bufferedBytes = this.bufferedBytes()
    if (!this.#shared.slowSockets.mayOverflow(bufferedBytes, this.#writtenUpTo)) return bufferedBytes
    this.#writeHeldBack(this.#native!)
    return this.bufferedBytes()
  }

  #writeHeldBack(native: Native): void {
    this.#writtenUpTo = this.#shared.slowSockets.publishedBytes
    native.ping()
  }

  #overflowed(): void {
    queueMicrotask(() => this.#connection?.overflowed())
  }

  /**
   * The engine's own `end` does not wait for the buffer where that is over the limit, cannot be followed by force, and
   * inside `cork` keeps the end of the connection back.
   */
  #end(code: number, reason: string): void {
    const native = this.#native!
    this.#state = 'ending'
    for (const topic of native.getTopics()) native.unsubscribe(topic)
    this.#ending = { code, reason, timer: setTimeout(() => this.#native?.close(), CLOSE_GRACE_MS) }
    setImmediate(() => this.#endIfDrained())
  }

  #endIfDrained(): void {
    if (this.#ending === undefined || this.bufferedBytes() > 0) return
    const { code, reason } = this.#ending
    this.#native?.end(code, reason)
  }
}
