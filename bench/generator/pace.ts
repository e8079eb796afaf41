import { setTimeout as wait } from 'node:timers/promises'
import type { Client } from './client.ts'
import { PublishFrames } from './client-frames.ts'
import type { PaceReply, PaceRequest } from './commands.ts'
import { Latencies } from './latencies.ts'

/** How long after the last publish its deliveries are waited for. */
const TAIL_MS = 500

/** Publishes at a steady pace, whatever becomes of it, and measures each delivery. */
export async function pace(
  publisher: Client,
  subscribers: readonly Client[],
  { channel, payload, tag, perSecond, seconds }: PaceRequest,
): Promise<PaceReply> {
  const frames = new PublishFrames(channel, payload, tag)
  const latencies = new Latencies()
  const writtenAtMs: number[] = []
  let deliveries = 0
  for (const client of subscribers) {
    let got = 0
    client.received = (_, __, events) => {
      if (events === 0) return
      const now = performance.now()
      deliveries += events
      for (let n = 0; n < events; n++) latencies.add(now - writtenAtMs[got++]!)
    }
  }
  const total = Math.round(perSecond * seconds)
  const startedAtMs = performance.now()
  while (writtenAtMs.length < total) {
    const dueAtMs = startedAtMs + (writtenAtMs.length * 1000) / perSecond
    const early = dueAtMs - performance.now()
    if (early > 0) await wait(early)
    // Counted from when it was due, so that a stall of the generator or of the server hides nothing.
    writtenAtMs.push(Math.max(dueAtMs, 0))
    publisher.write(frames.next(1))
  }
  await wait(TAIL_MS)
  for (const client of subscribers) client.received = undefined
  return { published: total, deliveries, latency: latencies.percentiles() }
}
