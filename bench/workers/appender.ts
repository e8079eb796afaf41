/** The server's Appender alone, in a process of its own. */
import { createPool } from '../../src/db/pool.ts'
import { Appender } from '../../src/log/append.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { newTag, PAYLOAD } from '../load.ts'
import { percentile } from '../statistics.ts'
import { serve } from '../system/rpc.ts'

export interface AppenderCommands {
  /** Appends batches of so many publishes, one after the other. */
  append(request: { batchEvents: number; seconds: number }): AppendResult
}

export interface AppendResult {
  readonly events: number
  readonly eventsPerSecond: number
  readonly batchP50Ms: number
  readonly batchP99Ms: number
}

const ROOMS = 50
const SENDERS = 64

const log = createLogger('warn')
const pool = createPool({ url: process.env.DATABASE_URL!, log, max: 2 })
const appender = new Appender({
  pool,
  log,
  committed: () => {},
  publishTimeoutMs: 60_000,
})

function batch(events: number, tag: string, firstNumber: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let due = events
    for (let n = firstNumber; n < firstNumber + events; n++) {
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

serve<AppenderCommands>({
  async append({ batchEvents, seconds }) {
    const tag = newTag()
    const tookMs: number[] = []
    const startedAtMs = performance.now()
    const endAtMs = startedAtMs + seconds * 1000
    let events = 0
    let nowMs = startedAtMs
    while (nowMs < endAtMs) {
      const beginMs = nowMs
      await batch(batchEvents, tag, events)
      events += batchEvents
      nowMs = performance.now()
      tookMs.push(nowMs - beginMs)
    }
    return {
      events,
      eventsPerSecond: (events * 1000) / (nowMs - startedAtMs),
      batchP50Ms: percentile(tookMs, 0.5),
      batchP99Ms: percentile(tookMs, 0.99),
    }
  },
})
