import type * as uWS from 'uWebSockets.js'
import { setTimeout as sleep } from 'node:timers/promises'
import { GOING_AWAY, SHUTTING_DOWN_REASON } from './closing.ts'
import { ConnectionCounts } from './connection-counts.ts'
import { admit } from './handshake.ts'
import { ipFromBytes } from './ip-address.ts'
import { ListenError } from './listen-error.ts'
import { probePort } from './port-probe.ts'
import { shuttingDown } from './refusal.ts'
import type { Encoded, Listen, Listener, Transport, TransportOptions } from './transport.ts'
import { UwsHttp, write } from './uws-http.ts'
import { SlowSockets } from './uws-slow-sockets.ts'
import { type UserData, type UwsShared, UwsSocket } from './uws-socket.ts'

/** Of an HTTP request, in bytes; the engine's default of 4 KiB is too small for a token and a few cookies. */
const MAX_HEADER_BYTES = 16 * 1024
/**
 * Silence after which the engine ends a WebSocket, in seconds: the longest it takes. The heartbeat of the sessions is
 * what finds dead peers; this is for sockets that were ended and whose peer does not let go.
 */
const IDLE_TIMEOUT_S = 960
/** Ports that are tried where any free one will do: another program may take one between two steps. */
const LISTEN_ATTEMPTS = 10
/** What ended sockets get to take the close frame and answer it before all are destroyed, in milliseconds. */
const FAREWELL_MS = 100

/** Rejects where there is no build of it for this machine. */
export async function loadUws(): Promise<typeof uWS> {
  // Read once, when the engine is loaded.
  process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= String(MAX_HEADER_BYTES)
  // A CommonJS module: what it exports is the default.
  const { default: engine } = (await import('uWebSockets.js')) as unknown as { default: typeof uWS }
  return engine
}

/**
 * uWebSockets.js. Its HTTP time-outs cannot be set: a connection has 10 s for a request head (`handshakeTimeoutMs` is
 * not looked at), the same between two requests, and a body must come with 16 KiB a second.
 */
export const listenUws: Listen = async (options, listener) => {
  const transport = new UwsTransport(await loadUws(), options, listener)
  await transport.listen()
  return transport
}

class UwsTransport implements Transport, UwsShared {
  readonly engine = 'uws'
  readonly slowSockets: SlowSockets
  readonly #uws: typeof uWS
  readonly #options: TransportOptions
  readonly #listener: Listener
  readonly #http: UwsHttp
  readonly #app: uWS.TemplatedApp
  readonly #counts: ConnectionCounts
  readonly #sockets = new Set<UwsSocket>()
  #listening: uWS.us_listen_socket | undefined
  #port = 0
  #stopped = false
  #closing: Promise<void> | undefined
  #lastClosed: (() => void) | undefined

  constructor(engine: typeof uWS, options: TransportOptions, listener: Listener) {
    this.#uws = engine
    this.#options = options
    this.#listener = listener
    this.slowSockets = new SlowSockets(options.sendBufferBytes, this.#sockets)
    this.#counts = new ConnectionCounts(options)
    this.#http = new UwsHttp(listener, options.maxBodyBytes)
    this.#app = engine.App()
    this.#app.ws(options.path, this.#behavior())
    this.#app.any('/*', (response, request) => this.#http.serve(response, request))
  }

  async listen(): Promise<void> {
    const { host, port } = this.#options
    const refuse = (cause: unknown): never => {
      throw new ListenError(host, port, cause)
    }
    for (let attempt = 0; attempt < LISTEN_ATTEMPTS; attempt++) {
      // Where the engine picks the port it leaves SO_REUSEADDR out: what is in TIME_WAIT would keep a successor off.
      this.#port = port || (await probePort(host, 0).catch(refuse))
      if (this.#listenOn(host, this.#port)) return
      if (port !== 0) break
    }
    // The engine does not say why it could not; Node does.
    await probePort(host, this.#port).then(() => refuse(undefined), refuse)
  }

  #listenOn(host: string, port: number): boolean {
    const { LIBUS_LISTEN_EXCLUSIVE_PORT } = this.#uws as unknown as { LIBUS_LISTEN_EXCLUSIVE_PORT: number }
    // The types lack this overload.
    const listen = this.#app.listen as unknown as (
      host: string,
      port: number,
      options: number,
      done: (socket: uWS.us_listen_socket | false) => void,
    ) => void
    // Without the option two servers would share the port without a word.
    listen.call(this.#app, host, port, LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
      this.#listening = socket || undefined
    })
    return this.#listening !== undefined
  }

  get port(): number {
    return this.#port
  }

  publish(topic: string, message: Encoded): void {
    this.slowSockets.publish(this.#app, topic, message)
  }

  connections(): number {
    return this.#counts.total
  }

  stopListening(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#http.stop()
    if (this.#listening !== undefined) this.#uws.us_listen_socket_close(this.#listening)
    this.#listening = undefined
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  closed(socket: UwsSocket): void {
    this.#sockets.delete(socket)
    this.#counts.closed(socket.address)
    if (this.#sockets.size === 0) this.#lastClosed?.()
  }

  async #close(): Promise<void> {
    this.stopListening()
    for (const socket of this.#sockets) socket.close(GOING_AWAY, SHUTTING_DOWN_REASON)
    if (this.#sockets.size > 0) await new Promise<void>((resolve) => (this.#lastClosed = resolve))
    await sleep(FAREWELL_MS)
    this.#app.close()
  }

  #behavior(): uWS.WebSocketBehavior<UserData> {
    return {
      compression: this.#uws.DISABLED,
      maxPayloadLength: this.#options.maxFrameBytes,
      maxBackpressure: this.#options.sendBufferBytes,
      idleTimeout: IDLE_TIMEOUT_S,
      sendPingsAutomatically: false,
      upgrade: (response, request, context) => this.#upgrade(response, request, context),
      open: (native) => this.#open(native),
      message: (native, bytes, binary) => socketOf(native).received(Buffer.from(bytes), binary),
      dropped: (native) => socketOf(native).dropped(),
      drain: (native) => socketOf(native).drained(),
      ping: (native) => socketOf(native).alive(),
      pong: (native) => socketOf(native).alive(),
      close: (native, code) => socketOf(native).closed(code),
    }
  }

  /** From the check to the count nothing else runs, so handshakes that come together cannot exceed the limits. */
  #upgrade(response: uWS.HttpResponse, request: uWS.HttpRequest, context: uWS.us_socket_context_t): void {
    if (this.#stopped) return write(response, shuttingDown, false, true)
    const ip = ipFromBytes(new Uint8Array(response.getRemoteAddress()))
    const offered: string[] = []
    // There may be several, and `getHeader` gives the first.
    request.forEach((name, value) => {
      if (name === 'sec-websocket-protocol') offered.push(value)
    })
    const verdict = admit(
      {
        upgrade: request.getHeader('upgrade'),
        version: request.getHeader('sec-websocket-version'),
        origin: request.getHeader('origin'),
        subprotocols: offered.join(','),
        ip,
      },
      this.#options,
      this.#counts,
    )
    if ('status' in verdict) return write(response, verdict, false, true)
    const socket = new UwsSocket(verdict.encoding, this.#counts.opened(ip), this)
    this.#sockets.add(socket)
    response.upgrade<UserData>(
      { socket },
      request.getHeader('sec-websocket-key'),
      verdict.subprotocol,
      // No extensions: no compression.
      '',
      context,
    )
  }

  #open(native: uWS.WebSocket<UserData>): void {
    socketOf(native).opened(native, this.#listener)
  }
}

function socketOf(native: uWS.WebSocket<UserData>): UwsSocket {
  // The native object is its own user data; `getUserData` would be a call into the engine to say so.
  return (native as unknown as UserData).socket
}
