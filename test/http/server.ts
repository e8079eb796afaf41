import { acceptPayload } from '../../protocol/v1/validate.ts'
import { mintToken, type TokenClaims } from '../../src/access/mint-token.ts'
import { type Claims, createVerifier } from '../../src/access/verify-token.ts'
import type { Ack, PublishRequest } from '../../src/commands/publish.ts'
import type { HttpRequest, HttpResponse } from '../../src/http/route.ts'
import { createRouter, type RouterDeps } from '../../src/http/router.ts'
import { LogEvent } from '../../src/log/event.ts'
import { createMetrics } from '../../src/ops/metrics.ts'

const SECRET = 'a secret of thirty-two bytes, at least'

export function tokenOf(claims: TokenClaims, ttlSeconds = 60): Promise<string> {
  return mintToken(SECRET, claims, { ttlSeconds })
}

/** A log in memory: what the routes see of the server behind them. */
export class MemoryLog {
  epoch = 'epoch-1'
  readonly events: LogEvent[] = []
  readonly publishers: Claims[] = []
  /** What the next publishes are refused with, by type. */
  readonly failures = new Map<string, Error>()
  readonly #waiting = new Set<() => void>()

  readonly publish = async (claims: Claims, request: PublishRequest): Promise<Ack> => {
    this.publishers.push(claims)
    const failure = this.failures.get(request.type)
    if (failure) throw failure
    const { channel, type } = request
    const messageId = request.messageId ?? `m${this.events.length}`
    const event = this.append(channel, type, acceptPayload(request.payload), claims.sub, messageId)
    return { channel, eventId: event.id, seq: event.seq, ts: event.ts, messageId }
  }

  append(channel: string, type: string, payload: string, from: string, messageId?: string): LogEvent {
    const seq = this.events.filter((event) => event.channel === channel).length + 1
    const event = new LogEvent(
      this.events.length + 1,
      channel,
      seq,
      type,
      payload,
      from,
      messageId,
      1_700_000_000_000,
    )
    this.events.push(event)
    for (const wake of this.#waiting) wake()
    return event
  }

  async after(id: number, limit: number): Promise<LogEvent[]> {
    return this.events.slice(id, id + limit)
  }

  reached(id: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (this.events.length < id && !signal.aborted) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      signal.addEventListener('abort', look)
      look()
    })
  }

  get waiting(): number {
    return this.#waiting.size
  }
}

export interface Served {
  readonly log: MemoryLog
  readonly logged: { readonly fields: object; readonly message: string }[]
  readonly metrics: ReturnType<typeof createMetrics>
  send(method: string, target: string, options?: SendOptions): Promise<HttpResponse>
}

export interface SendOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly token?: string
  readonly body?: unknown
  readonly ip?: string
  readonly signal?: AbortSignal
}

/** A router over a log in memory, with the real verifier. */
export function serve(t: { teardown(end: () => void): void }, deps: Partial<RouterDeps> = {}): Served {
  const log = new MemoryLog()
  const metrics = createMetrics()
  t.teardown(metrics.close)
  const logged: { fields: object; message: string }[] = []
  const write = (fields: object, message: string) => void logged.push({ fields, message })
  const router = createRouter({
    engine: 'ws',
    path: '/ws',
    postgresVersion: () => '18.4',
    databaseUp: () => true,
    stopping: () => false,
    verify: createVerifier({ secret: SECRET }),
    publish: log.publish,
    maxFrameBytes: 65_536,
    feed: log,
    longPollMs: 1000,
    stopped: new AbortController().signal,
    allowedOrigins: undefined,
    metrics,
    log: { warn: write, error: write } as RouterDeps['log'],
    ...deps,
  })
  return {
    log,
    logged,
    metrics,
    send: (method, target, options = {}) => router(requestOf(method, target, options)),
  }
}

function requestOf(
  method: string,
  target: string,
  { headers, token, body, ip, signal }: SendOptions,
): HttpRequest {
  // Not by URL, which would normalise the path; engines hand it over as it came.
  const [path = '', query] = target.split('?')
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const text = typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body)
  return {
    method,
    path,
    query: new URLSearchParams(query),
    headers: new Map(Object.entries({ host: 'localhost:3000', ...authorization, ...headers })),
    body: body instanceof Uint8Array ? body : Buffer.from(text),
    ip: ip ?? '127.0.0.1',
    signal: signal ?? new AbortController().signal,
  }
}

export function bodyOf(response: HttpResponse): unknown {
  return JSON.parse(String(response.body))
}
