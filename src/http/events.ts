import { ProtocolError } from '../../protocol/v1/errors.ts'
import { encodeWithEventsJson } from '../../protocol/v1/json.ts'
import type { LogEvent } from '../log/event.ts'
import { authenticateService, type Verify } from './bearer.ts'
import { jsonText } from './response.ts'
import type { HttpRequest, Route } from './route.ts'

/** What this route asks of the log. */
export interface Feed {
  readonly epoch: string
  /** The whole log after `id`: at most `limit` events, ascending. */
  after(id: number, limit: number): Promise<readonly LogEvent[]>
  /** Resolves when the event `id` is there, or the signal is aborted. */
  reached(id: number, signal: AbortSignal): Promise<void>
}

export interface EventsDeps {
  readonly verify: Verify
  readonly feed: Feed
  /** The longest `wait` that is granted. */
  readonly longPollMs: number
  /** Aborted when the server drains, so that nobody waits into the shutdown. */
  readonly stopped: AbortSignal
}

const DEFAULT_EVENTS = 100
const MAX_EVENTS = 1000
/** An answer ends with the event that takes it beyond this, whatever `limit` says. */
const MAX_RESPONSE_BYTES = 4 << 20

/**
 * `GET /v1/events?after=&limit=&wait=&epoch=`: the whole log in order, for consumers that keep their own cursor, as
 * `{epoch, next, events}`. `next` is the `after` of the next call. `wait`: milliseconds to wait for the first event where
 * there is none. A consumer that sends the `epoch` of its cursor is told with CONFLICT when the log is another one.
 */
export function events({ verify, feed, longPollMs, stopped }: EventsDeps): Route {
  return {
    method: 'GET',
    path: '/v1/events',
    async handle(request) {
      await authenticateService(request, verify)
      const after = numberOf(request, 'after', 0)
      const limit = Math.min(Math.max(numberOf(request, 'limit', DEFAULT_EVENTS), 1), MAX_EVENTS)
      const waitMs = Math.min(numberOf(request, 'wait', 0), longPollMs)
      let page = await read(request, after, limit)
      if (page.events.length === 0 && waitMs > 0) {
        await arrival(after + 1, waitMs, request.signal)
        page = await read(request, after, limit)
      }
      const { epoch, events } = page
      return jsonText(200, encodeWithEventsJson({ epoch, next: events.at(-1)?.id ?? after }, events))
    },
  }

  async function read(request: HttpRequest, after: number, limit: number) {
    for (;;) {
      const { epoch } = feed
      const expected = request.query.get('epoch')
      if (expected !== null && expected !== epoch) {
        const message =
          'The log is another one than that of your cursor: read it anew from where you know it.'
        throw new ProtocolError('CONFLICT', message, { epoch })
      }
      const events = await feed.after(after, limit)
      // The log may have become another one during the read; these events would bear the wrong epoch.
      if (feed.epoch === epoch) return { epoch, events: upToSize(events) }
    }
  }

  async function arrival(id: number, waitMs: number, gone: AbortSignal): Promise<void> {
    const wait = new AbortController()
    const end = () => wait.abort()
    const timer = setTimeout(end, waitMs)
    for (const signal of [gone, stopped]) {
      if (signal.aborted) end()
      signal.addEventListener('abort', end)
    }
    try {
      await feed.reached(id, wait.signal)
    } finally {
      clearTimeout(timer)
      for (const signal of [gone, stopped]) signal.removeEventListener('abort', end)
    }
  }
}

function upToSize(events: readonly LogEvent[]): readonly LogEvent[] {
  let bytes = 0
  const over = events.findIndex(({ payload }) => {
    bytes += payload.length
    return bytes > MAX_RESPONSE_BYTES
  })
  return over === -1 ? events : events.slice(0, over + 1)
}

function numberOf({ query }: HttpRequest, name: string, fallback: number): number {
  const text = query.get(name)
  if (text === null) return fallback
  const value = Number(text)
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(value)) return value
  const expected = 'an integer from 0 to 2^53 - 1'
  throw new ProtocolError('BAD_FRAME', `The parameter ${name} must be ${expected}.`, {
    path: `?${name}`,
    expected,
  })
}
