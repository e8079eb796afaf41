import type { Client } from './client.ts'
import type { PublishFrames } from './client-frames.ts'

/** Publishes so many events at once; resolves when all are acknowledged. */
export function send(publisher: Client, frames: PublishFrames, events: number): Promise<void> {
  return new Promise((resolve) => {
    let due = events
    publisher.received = (_, acks) => {
      due -= acks
      if (due > 0) return
      publisher.received = undefined
      resolve()
    }
    publisher.write(frames.next(events))
  })
}
