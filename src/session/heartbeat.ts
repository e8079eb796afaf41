import { codecs } from '../../protocol/v1/codec.ts'
import type { Encoded, Encoding } from '../transport/transport.ts'

/** A session as the heartbeat needs it. */
export interface Beating {
  readonly encoding: Encoding
  /** When the peer was last heard of, in milliseconds on the heartbeat's clock. */
  readonly heardAt: number
  /** Everything due up to this id has been handed to the socket; `undefined`: there is no stream yet. */
  readonly position: number | undefined
  sendPing(frame: Encoded): void
  /** Asks the peer's engine, where the peer itself does not answer. */
  probe(): void
  heartbeatMissed(): void
}

interface Slot {
  readonly sessions: Set<Beating>
  pingedAt: number
}

const TICK_MS = 100

/**
 * Pings every session once per interval, with its watermark. The sessions are spread over the interval's ticks, so that
 * 100,000 of them are pinged by the hundred and not all in one tick. Whoever has not answered when half of the time is
 * over is asked once more, in the WebSocket protocol's own way: clients like wscat answer that without their user.
 */
export class Heartbeat {
  readonly #slots: Slot[] = []
  readonly #timeoutTicks: number
  readonly #timer: NodeJS.Timeout
  #tick = 0
  #now = performance.now()

  constructor({ intervalMs, timeoutMs }: { readonly intervalMs: number; readonly timeoutMs: number }) {
    const slots = Math.max(4, Math.round(intervalMs / TICK_MS))
    const tickMs = intervalMs / slots
    for (let i = 0; i < slots; i++) this.#slots.push({ sessions: new Set(), pingedAt: this.#now })
    // A session is looked at before its next ping at the latest.
    this.#timeoutTicks = Math.min(slots - 1, Math.max(2, Math.ceil(timeoutMs / tickMs)))
    this.#timer = setInterval(() => this.#beat(), tickMs)
  }

  /**
   * Milliseconds on a clock that nobody sets, a tick old at the most: cheap enough to be read for every frame.
   */
  get now(): number {
    return this.#now
  }

  /** Returns the slot, which `remove` wants to know. */
  add(session: Beating): number {
    const slot = Math.floor(Math.random() * this.#slots.length)
    this.#slots[slot]!.sessions.add(session)
    return slot
  }

  remove(session: Beating, slot: number): void {
    this.#slots[slot]!.sessions.delete(session)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #beat(): void {
    this.#now = performance.now()
    this.#tick++
    for (const session of this.#silent(this.#timeoutTicks)) session.heartbeatMissed()
    for (const session of this.#silent(this.#timeoutTicks >> 1)) session.probe()
    this.#pingOne(this.#slotOf(0))
  }

  /** The slot that was pinged so many ticks ago. */
  #slotOf(ticksAgo: number): Slot {
    return this.#slots[(this.#tick - ticksAgo + this.#slots.length) % this.#slots.length]!
  }

  /** Who was pinged so many ticks ago and has not been heard of since. */
  #silent(ticksAgo: number): Beating[] {
    const { sessions, pingedAt } = this.#slotOf(ticksAgo)
    const silent: Beating[] = []
    for (const session of sessions) if (session.heardAt < pingedAt) silent.push(session)
    return silent
  }

  #pingOne(slot: Slot): void {
    slot.pingedAt = this.#now
    // Nearly all are at the same position: their frame is made once.
    const made = { position: -1, json: '' as Encoded, msgpack: '' as Encoded }
    for (const session of slot.sessions) {
      const pos = session.position
      if (pos === undefined) continue
      if (pos !== made.position) {
        const frame = { op: 'ping', pos, ts: Date.now() } as const
        made.position = pos
        made.json = codecs.json.encode(frame)
        made.msgpack = codecs.msgpack.encode(frame)
      }
      session.sendPing(made[session.encoding])
    }
  }
}
