import { type Codec, codecs } from '../../protocol/v1/codec.ts'
import { ERRORS, ProtocolError } from '../../protocol/v1/errors.ts'
import type { PublishFrame } from '../../protocol/v1/frames.ts'
import { LIMITS } from '../../protocol/v1/limits.ts'
import { readFrame } from '../../protocol/v1/validate.ts'
import type { Claims } from '../access/claims.ts'
import type { Ack, PublishRequest } from '../commands/publish.ts'
import type { Logger } from '../ops/logger.ts'
import type { Tally } from '../ops/metrics.ts'
import { authenticate, type Verify } from './bearer.ts'
import { type ErrorBody, errorBody, headersOf, json, refusal } from './response.ts'
import type { HttpResponse, Route } from './route.ts'
import { splitArray } from './split-array.ts'

/**
 * The same as behind the op `publish`: rights, catalogue, payload, append; resolves after the commit and rejects with a
 * `ProtocolError`. Calls made one after the other, without waiting, are appended in that order. Users who publish too
 * often get RATE_LIMITED here as on a socket.
 */
export type Publish = (claims: Claims, request: PublishRequest) => Promise<Ack>

export interface PublishDeps {
  readonly verify: Verify
  readonly publish: Publish
  /** The largest event, in bytes of its JSON text. */
  readonly maxFrameBytes: number
  readonly log: Pick<Logger, 'error'>
  readonly metrics: { readonly errors: Tally }
}

type Result = { readonly ok: Ack } | { readonly error: ProtocolError }

/**
 * `POST /v1/publish`: one event, answered with `{ok}` or the error's own status, or an array of events in the order in
 * which they are to be appended, answered with `{results: [{ok} | {error}, …]}`: 200 when all were taken, the error's
 * status when all were refused for the same reason, else 207. Each event is refused alone; a body that is not JSON is
 * refused whole.
 */
export function publish({ verify, publish, maxFrameBytes, log, metrics }: PublishDeps): Route {
  return {
    method: 'POST',
    path: '/v1/publish',
    async handle(request) {
      const claims = await authenticate(request, verify)
      const { body } = request
      const elements = splitArray(body, LIMITS.maxEventsPerRequest)
      if (elements === undefined) {
        const result = await settle(claims, readEvent(body, maxFrameBytes))
        return 'ok' in result ? json(200, result) : refusal(result.error)
      }
      // All are read before the first is published: a body that turns out not to be JSON must not be half done.
      const events = elements.map((bytes) => readEvent(bytes, maxFrameBytes))
      const results = await Promise.all(events.map((event) => settle(claims, event)))
      for (const result of results) if ('error' in result) metrics.errors.add(result.error.code)
      return answer(results)
    },
  }

  async function settle(claims: Claims, event: PublishRequest | ProtocolError): Promise<Result> {
    if (event instanceof ProtocolError) return { error: event }
    try {
      return { ok: await publish(claims, event) }
    } catch (error) {
      if (error instanceof ProtocolError) return { error }
      log.error({ err: error, channel: event.channel, type: event.type }, 'a publish over HTTP failed')
      return { error: new ProtocolError('INTERNAL', 'The server failed.', undefined, { cause: error }) }
    }
  }
}

/** The body of one event is a `publish` frame without its `op`, so it is held to all that such a frame is held to. */
const eventCodec: Codec = {
  ...codecs.json,
  decode(bytes, binary) {
    const value = codecs.json.decode(bytes, binary)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      const expected = 'an object with channel, type and payload'
      throw new ProtocolError('BAD_FRAME', `An event must be ${expected}.`, { path: '', expected })
    }
    const { id: _, ...fields } = value as { id?: unknown }
    return { ...fields, op: 'publish' }
  },
}

/** @throws {ProtocolError} where the bytes are no JSON object */
function readEvent(bytes: Uint8Array, maxFrameBytes: number): PublishRequest | ProtocolError {
  if (bytes.length > maxFrameBytes) {
    return new ProtocolError('TOO_LARGE', `The event has more than ${maxFrameBytes} bytes.`, {
      limit: maxFrameBytes,
    })
  }
  const read = readFrame(eventCodec, bytes, false)
  if (read.frame !== undefined) return read.frame as PublishFrame
  if (read.fatal) throw read.error
  return read.error
}

function answer(results: readonly Result[]): HttpResponse {
  const errors = results.flatMap((result) => ('error' in result ? [result.error] : []))
  const body: { results: ({ ok: Ack } | { error: ErrorBody })[] } = {
    results: results.map((result) => ('error' in result ? { error: errorBody(result.error) } : result)),
  }
  const [first] = errors
  if (first === undefined) return json(200, body)
  const alike = errors.length === results.length && errors.every(({ code }) => code === first.code)
  return alike ? json(ERRORS[first.code].http, body, headersOf(first)) : json(207, body)
}
