/** The server's Appender alone, in a process of its own. */
import { setTimeout as wait } from 'node:timers/promises'
import { createPool } from '../../src/db/pool.ts'
import { Appender } from '../../src/log/append.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { newTag, PAYLOAD } from '../load.ts'
import { serve } from '../system/rpc.ts'

export interface AppenderCommands {
  /** Appends batches of so many publishes. `inHand` 1: each when the one before is settled; 2: one waits meanwhile. */
  append(request: { batchEvents: number; inHand: 1 | 2; seconds: number }): AppendResult
}

export interface AppendResult {
  readonly events: number
  readonly eventsPerSecond: number
  /** The mean size of the batches that the Appender made. */
  readonly batchEvents: number
}

const ROOMS = 50
const SENDERS = 64
/** The second batch is handed over when the first one is on its way, or the Appender would take both as one. */
const STAGGER_MS = 2

const log = createLogger('warn')
const pool = createPool({ url: process.env.DATABASE_URL!, log, max: 2 })
let batches = 0
const appender = new Appender({
  pool,
  log,
  committed: () => {},
  measured: () => {
    batches++
  },
  publishTimeoutMs: 60_000,
})

serve<AppenderCommands>({
  async append({ batchEvents, inHand, seconds }) {
    const tag = newTag()
    const batchesBefore = batches
    const startedAtMs = performance.now()
    let events = 0
    const lane = async (): Promise<void> => {
      while (performance.now() - startedAtMs < seconds * 1000) {
        const first = events
        events += batchEvents
        await append(batchEvents, tag, first)
      }
    }
    const lanes = [lane()]
    if (inHand === 2) {
      await wait(STAGGER_MS)
      lanes.push(lane())
    }
    await Promise.all(lanes)
    return {
      events,
      eventsPerSecond: (events * 1000) / (performance.now() - startedAtMs),
      batchEvents: events / (batches - batchesBefore),
    }
  },
})

function append(events: number, tag: string, first: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let due = events
    for (let n = first; n < first + events; n++) {
      const draft = {
        channel: `room:append-${n % ROOMS}`,
        type: 'chat.text',
        payload: PAYLOAD,
        from: `writer-${n % SENDERS}`,
        messageId: `${tag}-${n}`,
      }
      appender.append({ events: [draft] }, (outcome) => {
        if (!outcome.ok) reject(outcome.error)
        if (--due === 0) resolve()
      })
    }
  })
}
