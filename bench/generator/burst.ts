import type { Client } from './client.ts'
import { PublishFrames } from './client-frames.ts'
import type { BurstReply, BurstRequest } from './commands.ts'
import { Latencies } from './latencies.ts'

/** Publishes some events at once, waits until every subscriber has all of them, and again. */
export function burst(
  publisher: Client,
  subscribers: readonly Client[],
  { channel, payload, tag, events, seconds }: BurstRequest,
): Promise<BurstReply> {
  const frames = new PublishFrames(channel, payload, tag)
  const latencies = new Latencies()
  const bytesBefore = sum(subscribers, (client) => client.walker.eventBytes)
  const startedAtMs = performance.now()
  const dueEach = events * subscribers.length
  let writtenAtMs = 0
  let bursts = 0
  let due = 0
  let acksDue = 0

  return new Promise((resolve) => {
    const next = (): void => {
      writtenAtMs = performance.now()
      if (writtenAtMs - startedAtMs >= seconds * 1000) {
        const eventBytes = sum(subscribers, (client) => client.walker.eventBytes) - bytesBefore
        resolve({
          bursts,
          deliveries: bursts * dueEach,
          elapsedMs: writtenAtMs - startedAtMs,
          eventBytes: eventBytes / (bursts * dueEach),
          latency: latencies.percentiles(),
        })
        return
      }
      due = dueEach
      acksDue = events
      publisher.write(frames.next(events))
    }
    const received = (_: Client, acks: number, delivered: number): void => {
      due -= delivered
      acksDue -= acks
      if (due > 0 || acksDue > 0) return
      latencies.add(performance.now() - writtenAtMs)
      bursts++
      next()
    }
    publisher.received = received
    for (const client of subscribers) client.received = received
    next()
  })
}

function sum(clients: readonly Client[], count: (client: Client) => number): number {
  return clients.reduce((total, client) => total + count(client), 0)
}
