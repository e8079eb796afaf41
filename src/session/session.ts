import { randomBytes } from 'node:crypto'
import { type Codec, codecs, type EventFields } from '../../protocol/v1/codec.ts'
import { CLOSE, type CloseCode, ProtocolError } from '../../protocol/v1/errors.ts'
import type { ClientFrame, ServerFrame } from '../../protocol/v1/frames.ts'
import { byeFrame, errorFrame } from '../../protocol/v1/replies.ts'
import { readFrame } from '../../protocol/v1/validate.ts'
import { RateLimiter } from '../access/rate-limit.ts'
import type { Claims } from '../access/verify-token.ts'
import type { Caller, Command, Services } from '../commands/command.ts'
import { commands } from '../commands/commands.ts'
import type { RateLimits } from '../config.ts'
import { planResume } from '../fanout/resume.ts'
import type { Logger } from '../ops/logger.ts'
import type { Connection, Encoded, Encoding, Socket } from '../transport/transport.ts'
import { type GreetingOptions, greet } from './handshake.ts'
import type { Heartbeat } from './heartbeat.ts'
import { type Flusher, Outbox } from './outbox.ts'
import { Stream } from './stream.ts'
import type { TokenClock } from './token-clock.ts'
import { Turns } from './turns.ts'

/** What all sessions of a server share. */
export interface SessionContext {
  readonly services: Services
  readonly greeting: GreetingOptions
  readonly helloTimeoutMs: number
  /** `undefined`: no limits. */
  readonly rateLimits: RateLimits | undefined
  readonly heartbeat: Heartbeat
  readonly tokenClock: TokenClock
  readonly flusher: Flusher
  readonly sessions: Set<Session>
  readonly logger: Logger
}

/** The rate limit of frames that are none; no event type has a blank. */
const INVALID = ' invalid'
/** Frames that may wait for `welcome`; one more gets OVERLOADED. */
const MAX_WAITING = 256
const MAX_WAITING_BYTES = 256 * 1024

/** One connection: from its first frame to its close. */
export class Session implements Connection, Caller {
  readonly id = randomBytes(12).toString('base64url')
  readonly codec: Codec
  readonly socket: Socket
  readonly stream: Stream
  heardAt: number
  readonly #context: SessionContext
  readonly #outbox: Outbox
  readonly #limiter: RateLimiter | undefined
  #state: 'new' | 'greeting' | 'open' | 'ended' = 'new'
  #claims: Claims | undefined
  #helloTimer: NodeJS.Timeout | undefined
  #heartbeatSlot = -1
  /** Frames that came right behind `hello`. */
  #waiting: ClientFrame[] | undefined
  #waitingBytes = 0
  readonly #turns = new Turns()

  constructor(socket: Socket, context: SessionContext) {
    this.socket = socket
    this.codec = codecs[socket.encoding]
    this.#context = context
    this.#outbox = new Outbox(context.flusher, socket)
    this.#limiter = context.rateLimits && new RateLimiter(context.rateLimits)
    const { hub, log, limits } = context.services
    this.stream = new Stream(socket, hub, log, limits.replayPageBytes)
    this.heardAt = context.heartbeat.now
    this.#helloTimer = setTimeout(() => this.#helloMissed(), context.helloTimeoutMs)
    context.sessions.add(this)
  }

  // What the transport tells.

  message(bytes: Uint8Array, binary: boolean): void {
    if (this.#state === 'ended') return
    const { heartbeat, services } = this.#context
    this.heardAt = heartbeat.now
    services.metrics.framesIn++
    const { frame, error, ...read } = readFrame(this.codec, bytes, binary)
    if (frame !== undefined) return this.#received(frame, bytes.length)
    const { id, fatal } = read as { id?: number; fatal: boolean }
    this.error(id, error)
    if (fatal) return this.end(CLOSE.badFrame)
    if (this.#state === 'new') return this.end(CLOSE.unauthenticated)
    if (this.#limiter?.use(INVALID, Date.now()) && this.#limiter.flooding) this.end(CLOSE.flooding)
  }

  alive(): void {
    this.heardAt = this.#context.heartbeat.now
  }

  drained(): void {
    this.stream.drained()
  }

  overflowed(): void {
    this.#context.services.metrics.sendBufferCloses++
    this.#finish()
  }

  closed(code: number): void {
    this.#finish()
    this.#context.services.metrics.closes.add(String(code))
  }

  // What commands use.

  get claims(): Claims {
    return this.#claims!
  }

  get channels(): ReadonlySet<string> {
    return this.stream.channels
  }

  ok(id: number | undefined, fields?: Readonly<Record<string, unknown>>): void {
    if (id !== undefined) this.send({ op: 'ok', id, ...fields } as ServerFrame)
  }

  okWithEvents(
    id: number | undefined,
    fields: Readonly<Record<string, unknown>>,
    events: readonly EventFields[],
  ): void {
    if (id !== undefined) this.#push(this.codec.encodeWithEvents({ op: 'ok', id, ...fields }, events))
  }

  error(id: number | undefined, error: ProtocolError): void {
    this.#context.services.metrics.errors.add(error.code)
    this.send(errorFrame(error, id))
  }

  send(frame: ServerFrame): void {
    this.#push(this.codec.encode(frame))
  }

  limit(key: string): void {
    const refused = this.#limiter?.use(key, Date.now())
    if (refused === undefined) return
    this.#context.services.metrics.rateLimited++
    throw refused
  }

  checkLimit(key: string): void {
    const refused = this.#limiter?.check(key, Date.now())
    if (refused !== undefined) throw refused
  }

  countUse(key: string): void {
    this.#limiter?.count(key, Date.now())
  }

  inOrder(change: () => void | Promise<void>): Promise<void> {
    return this.#turns.take(() => {
      if (this.#state !== 'ended') return change()
    })
  }

  subscribe(channel: string): void {
    // The reply goes out first: no event of the channel precedes it.
    this.#outbox.flush()
    this.stream.add(channel)
  }

  unsubscribe(channel: string): void {
    this.stream.remove(channel)
  }

  async rewind(lastEventId: number, started: () => void): Promise<void> {
    const { log, limits } = this.#context.services
    const reached = log.position
    this.stream.hold(Math.min(lastEventId, reached))
    const cursor = { epoch: log.epoch, lastEventId }
    const plan = await planResume(log, limits, [...this.channels], cursor).catch(async (error) => {
      // Not to be had for the moment: the stream goes on where it was.
      await this.stream.replay(reached, () => {}).catch((failure) => this.#streamFailed(failure))
      throw error
    })
    started()
    if (plan.outcome === 'refresh') this.#refresh(plan.reason)
    else await this.#replay(lastEventId).catch((failure) => this.#streamFailed(failure))
  }

  /** The request has been answered, and the stream neither replays nor lives: only a new connection mends that. */
  #streamFailed(error: unknown): void {
    this.#context.logger.error({ err: error, session: this.id }, 'a replay failed')
    this.end(CLOSE.internal)
  }

  renew(claims: Claims): void {
    if (this.#state === 'ended') return
    this.#claims = claims
    this.#context.tokenClock.watch(this)
  }

  // What the heartbeat and the token clock use.

  get encoding(): Encoding {
    return this.socket.encoding
  }

  get position(): number | undefined {
    return this.stream.position
  }

  get tokenEndsAt(): number {
    return Math.floor(this.claims.exp * 1000)
  }

  sendPing(frame: Encoded): void {
    // What a tick has to say before goes before: the watermark covers it.
    this.#outbox.flush()
    this.socket.send(frame)
  }

  probe(): void {
    this.socket.ping()
  }

  heartbeatMissed(): void {
    this.end(CLOSE.heartbeatMissed)
  }

  tokenEndsSoon(): void {
    this.send({ op: 'expiring', expiresAt: this.tokenEndsAt })
  }

  tokenEnded(): void {
    this.end(CLOSE.unauthenticated, 'the token has ended')
  }

  /** Says `bye` and closes. `afterMs`: how long the client should wait before it connects again. */
  end(code: CloseCode, reason?: string, afterMs?: number): void {
    if (this.#state === 'ended') return
    const bye = byeFrame(code, reason, afterMs)
    this.send(bye)
    this.#outbox.flush()
    this.#finish()
    this.socket.close(code, bye.reason)
  }

  #received(frame: ClientFrame, bytes: number): void {
    if (this.#state === 'open') return this.#dispatch(frame)
    if (this.#state === 'greeting') return this.#wait(frame, bytes)
    if (frame.op !== 'hello') {
      this.error(
        frame.op === 'pong' ? undefined : frame.id,
        new ProtocolError('UNAUTHENTICATED', 'The first frame must be hello.'),
      )
      return this.end(CLOSE.unauthenticated)
    }
    this.#state = 'greeting'
    clearTimeout(this.#helloTimer)
    this.#helloTimer = undefined
    this.inOrder(async () => {
      const greeting = await greet(frame, this.#context.services, this.#context.greeting)
      if (this.#state === 'ended') return
      this.#claims = greeting.claims
      const { channels, welcome } = greeting.admit()
      for (const channel of channels) this.stream.add(channel)
      this.#opened()
      this.send({ ...welcome, session: this.id })
      this.#context.services.metrics.resumes.add(greeting.plan.outcome)
      this.#dispatchWaiting()
      if (greeting.plan.outcome === 'refresh') return this.#refresh(greeting.plan.reason)
      if (greeting.plan.outcome === 'resumed') return this.#replay(frame.lastEventId!)
      this.#goLive()
    }).catch((error) => this.#greetingFailed(frame.id, error))
  }

  #opened(): void {
    const { heartbeat, tokenClock } = this.#context
    this.#state = 'open'
    this.heardAt = heartbeat.now
    this.#heartbeatSlot = heartbeat.add(this)
    tokenClock.watch(this)
  }

  #goLive(): void {
    this.send({ op: 'live', pos: this.#context.services.log.position })
    // The topics bypass the outbox: what was said before the stream has to leave before it.
    this.#outbox.flush()
    this.stream.goLive()
  }

  #refresh(reason: 'gap_too_large' | 'too_old' | 'epoch_changed' | 'ahead_of_log'): void {
    const { log } = this.#context.services
    this.send({ op: 'refresh', reason, epoch: log.epoch, pos: log.position })
    this.#outbox.flush()
    this.stream.goLive()
  }

  #replay(lastEventId: number): Promise<void> {
    this.#outbox.flush()
    return this.stream.replay(lastEventId, () => {
      this.send({ op: 'live', pos: this.#context.services.log.position })
      this.#outbox.flush()
    })
  }

  #wait(frame: ClientFrame, bytes: number): void {
    this.#waiting ??= []
    if (this.#waiting.length < MAX_WAITING && this.#waitingBytes + bytes <= MAX_WAITING_BYTES) {
      this.#waiting.push(frame)
      this.#waitingBytes += bytes
      return
    }
    const id = frame.op === 'pong' ? undefined : frame.id
    this.error(id, new ProtocolError('OVERLOADED', 'Too many frames wait for welcome already.'))
  }

  #dispatchWaiting(): void {
    const frames = this.#waiting ?? []
    this.#waiting = undefined
    for (const frame of frames) this.#dispatch(frame)
  }

  #dispatch(frame: ClientFrame): void {
    if (this.#state !== 'open') return
    const id = frame.op === 'pong' ? undefined : frame.id
    try {
      if (frame.op !== 'pong')
        this.limit(frame.op === 'publish' || frame.op === 'signal' ? frame.type : frame.op)
      if (frame.op === 'hello')
        throw new ProtocolError('BAD_FRAME', 'hello was said already; renew the token with auth.')
      const command = commands[frame.op] as Command<ClientFrame> | undefined
      if (command === undefined)
        throw new ProtocolError('UNKNOWN_OP', `This server does not serve '${frame.op}'.`)
      const done = command(this, frame, this.#context.services)
      if (done !== undefined) done.catch((error) => this.#failed(id, error))
    } catch (error) {
      this.#failed(id, error)
    }
  }

  #failed(id: number | undefined, error: unknown): void {
    if (error instanceof ProtocolError) {
      this.error(id, error)
      if (this.#limiter?.flooding) this.end(CLOSE.flooding)
      return
    }
    this.#context.logger.error({ err: error, session: this.id }, 'a request failed')
    this.error(id, new ProtocolError('INTERNAL', 'The server failed; try again later.'))
  }

  #greetingFailed(id: number | undefined, error: unknown): void {
    this.#failed(id, error)
    const unauthenticated = error instanceof ProtocolError && !error.retry
    this.end(unauthenticated ? CLOSE.unauthenticated : CLOSE.internal)
  }

  #helloMissed(): void {
    this.error(undefined, new ProtocolError('UNAUTHENTICATED', 'There was no hello in time.'))
    this.end(CLOSE.helloTimeout)
  }

  #push(frame: Encoded): void {
    if (this.#state === 'ended') return
    this.#context.services.metrics.framesOut++
    this.#outbox.push(frame)
  }

  /** The session is over, for whatever reason. */
  #finish(): void {
    if (this.#state === 'ended') return
    const { heartbeat, tokenClock, sessions } = this.#context
    this.#state = 'ended'
    clearTimeout(this.#helloTimer)
    if (this.#heartbeatSlot >= 0) heartbeat.remove(this, this.#heartbeatSlot)
    tokenClock.forget(this)
    sessions.delete(this)
    this.stream.close()
  }
}
