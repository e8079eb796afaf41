import type { Client } from './client.ts'
import { PublishFrames } from './client-frames.ts'
import type { FlowCounts, FlowRequest } from './commands.ts'
import { Latencies } from './latencies.ts'

interface Lane {
  readonly frames: PublishFrames
  /** Ring of the times at which the publishes in flight were written, oldest at `sent % window`. */
  readonly writtenAtMs: Float64Array
  acked: number
}

/** Every client keeps a window of publishes in flight: an ack in, a publish out. */
export class Flow {
  readonly #clients: readonly Client[]
  readonly #latencies = new Latencies()
  #acks = 0
  #events = 0
  #running = true

  constructor(clients: readonly Client[], { window, channels, payload, tag }: FlowRequest) {
    this.#clients = clients
    for (const [n, client] of clients.entries()) {
      const channel = channels[n % channels.length]!
      const lane: Lane = {
        frames: new PublishFrames(channel, payload, `${tag}-${n}`),
        writtenAtMs: new Float64Array(window).fill(performance.now()),
        acked: 0,
      }
      client.received = (_, acks, events) => this.#received(client, lane, acks, events)
      client.write(lane.frames.next(window))
    }
  }

  #received(client: Client, lane: Lane, acks: number, events: number): void {
    this.#events += events
    if (acks === 0) return
    this.#acks += acks
    const now = performance.now()
    const { writtenAtMs } = lane
    // Acks come in the order of the publishes but for refusals, of which there are none here.
    for (let n = 0; n < acks; n++) {
      const place = lane.acked++ % writtenAtMs.length
      this.#latencies.add(now - writtenAtMs[place]!)
      writtenAtMs[place] = now
    }
    if (this.#running) client.write(lane.frames.next(acks))
  }

  counts(): FlowCounts {
    const latency = this.#latencies.percentiles()
    this.#latencies.reset()
    let errors = 0
    for (const client of this.#clients) errors += client.errors.length
    return { atMs: performance.now(), acks: this.#acks, events: this.#events, errors, latency }
  }

  stop(): void {
    this.#running = false
  }
}
