/** The one table of error codes and close codes. SPEC.md §10 and §11 repeat it; a test compares them. */

interface ErrorRow {
  /** Whether the same request, sent again after a back-off, may succeed. */
  readonly retry: boolean
  /** The status under which HTTP reports the code. */
  readonly http: number
  readonly meaning: string
}

export const ERRORS = {
  BAD_FRAME: {
    retry: false,
    http: 400,
    meaning: 'The frame or body cannot be decoded, or a field has the wrong type.',
  },
  UNKNOWN_OP: { retry: false, http: 404, meaning: 'The server has no such op (or HTTP route).' },
  INVALID_PAYLOAD: {
    retry: false,
    http: 400,
    meaning:
      'The payload is missing, too deep, has too many elements, holds a string that is not allowed, or does not fit its schema.',
  },
  INVALID_CHANNEL: {
    retry: false,
    http: 400,
    meaning: 'This is no channel name (§7), or not one for an event of this type.',
  },
  UNKNOWN_TYPE: { retry: false, http: 400, meaning: 'The server takes only the event types that it knows.' },
  UNAUTHENTICATED: { retry: false, http: 401, meaning: 'There is no token where one is needed.' },
  AUTH_FAILED: { retry: false, http: 401, meaning: 'The token is refused.' },
  FORBIDDEN: {
    retry: false,
    http: 403,
    meaning: 'Not allowed, or it does not exist: the two cannot be told apart.',
  },
  IDEMPOTENCY_CONFLICT: {
    retry: false,
    http: 409,
    meaning: 'The messageId was used before with another channel, type or payload.',
  },
  CONFLICT: {
    retry: false,
    http: 409,
    meaning: 'A race was lost; read the present state before trying again.',
  },
  RATE_LIMITED: { retry: true, http: 429, meaning: 'Too many requests; details.resetAt says when to go on.' },
  CHANNEL_FULL: { retry: false, http: 409, meaning: 'The channel has as many users as it may have.' },
  TOO_MANY_CHANNELS: { retry: false, http: 409, meaning: 'The session has as many channels as it may have.' },
  TOO_LARGE: {
    retry: false,
    http: 413,
    meaning: 'The frame, payload or body is larger than the server takes.',
  },
  OVERLOADED: { retry: true, http: 503, meaning: 'The server has too much to do; nothing was done.' },
  UNAVAILABLE: {
    retry: true,
    http: 503,
    meaning: 'The database is away; a publish may still have been stored.',
  },
  INTERNAL: { retry: true, http: 500, meaning: 'The server failed in a way it did not foresee.' },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERRORS

export const CLOSE = {
  badFrame: 4400,
  unauthenticated: 4401,
  expelled: 4403,
  helloTimeout: 4408,
  replaced: 4409,
  tooLarge: 4413,
  flooding: 4429,
  internal: 4500,
  shuttingDown: 4503,
  tooSlow: 4508,
  heartbeatMissed: 4510,
} as const

export type CloseName = keyof typeof CLOSE
export type CloseCode = (typeof CLOSE)[CloseName]

interface CloseRow {
  readonly name: CloseName
  /** Whether to connect again, with back-off, and resume, without changing anything first. */
  readonly reconnect: boolean
  readonly meaning: string
}

/** By code. A code that is not listed means: connect again with back-off and resume. */
export const CLOSES: Readonly<Record<number, CloseRow>> = {
  4400: { name: 'badFrame', reconnect: false, meaning: 'The server could not decode a frame.' },
  4401: {
    name: 'unauthenticated',
    reconnect: false,
    meaning:
      'The token was refused or has ended, or the first frame was not hello: get a new token, then connect.',
  },
  4403: {
    name: 'expelled',
    reconnect: false,
    meaning: 'The user was expelled; the tokens issued so far are refused.',
  },
  4408: { name: 'helloTimeout', reconnect: false, meaning: 'There was no hello in time.' },
  4409: {
    name: 'replaced',
    reconnect: false,
    meaning: 'Replaced by, or refused for, another connection of the same user.',
  },
  4413: { name: 'tooLarge', reconnect: false, meaning: 'A frame was larger than limits.frameBytes.' },
  4429: {
    name: 'flooding',
    reconnect: false,
    meaning: 'The client went on sending far above its rate limits.',
  },
  4500: { name: 'internal', reconnect: true, meaning: 'The server failed in a way it did not foresee.' },
  4503: {
    name: 'shuttingDown',
    reconnect: true,
    meaning: 'The node stops; the after of bye spreads the reconnects.',
  },
  4508: { name: 'tooSlow', reconnect: true, meaning: 'The client did not read as fast as it was sent to.' },
  4510: { name: 'heartbeatMissed', reconnect: true, meaning: 'No answer to a ping came in time.' },
}

/**
 * A refusal that the peer is told about. Everything else that is thrown is reported to it as `INTERNAL`. It has no stack:
 * it is an answer and not a fault, and who floods the server with bad frames must not make it walk the stack for each.
 */
export class ProtocolError extends Error {
  override readonly name: string = 'ProtocolError'
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(
    code: ErrorCode,
    message: string,
    details?: Readonly<Record<string, unknown>>,
    options?: { readonly cause?: unknown },
  ) {
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(message, options)
    Error.stackTraceLimit = stackTraceLimit
    this.code = code
    this.details = details
  }

  get retry(): boolean {
    return ERRORS[this.code].retry
  }
}

/** A frame beyond the limits of depth or elements, and a frame otherwise; not fatal (§3.5). */
export class TooDeep extends ProtocolError {
  /** The frame's own `id`, found without building the rest of it. */
  readonly id: number | undefined

  private constructor(message: string, details: Readonly<Record<string, unknown>>, id: number | undefined) {
    super('INVALID_PAYLOAD', message, details)
    this.id = id
  }

  static depth(max: number, id: number | undefined): TooDeep {
    return new TooDeep(`Nested deeper than ${max}.`, { limit: 'depth', max }, id)
  }

  static elements(max: number, id: number | undefined): TooDeep {
    return new TooDeep(`More than ${max} elements.`, { limit: 'elements', max }, id)
  }
}
