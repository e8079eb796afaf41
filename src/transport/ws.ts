import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { CLOSE_GRACE_MS, GOING_AWAY, SHUTTING_DOWN_REASON } from './closing.ts'
import { ConnectionCounts } from './connection-counts.ts'
import { type Accepted, admit, firstSupported } from './handshake.ts'
import { ipFromText } from './ip-address.ts'
import { ListenError } from './listen-error.ts'
import { shuttingDown } from './refusal.ts'
import type { Encoded, Listen, Listener, Transport, TransportOptions } from './transport.ts'
import { refuseUpgrade, targetOf, WsHttp } from './ws-http.ts'
import { OwnedWebSocket, type WsShared, WsSocket } from './ws-socket.ts'
import { Topics } from './ws-topics.ts'

/** How long a kept-alive connection may be idle between two requests, in milliseconds; what uWebSockets.js allows. */
const KEEP_ALIVE_MS = 10_000
/** How long the body of a request may take once its head is there, in milliseconds. */
const BODY_TIMEOUT_MS = 30_000
/** How often Node looks for requests that take too long, in milliseconds; how far a time-out may be exceeded. */
const CHECK_TIMEOUTS_MS = 1_000
/**
 * What a socket may gather within a tick before it is written at once, in bytes: enough to be worth a system call, and
 * little enough that what the operating system would take does not count as unsent for long.
 */
const GATHER_BYTES = 64 * 1024

/** `ws` on `node:http`. */
export const listenWs: Listen = async (options, listener) => {
  const transport = new WsTransport(options, listener)
  await transport.listen()
  return transport
}

class WsTransport implements Transport, WsShared {
  readonly engine = 'ws'
  readonly topics = new Topics()
  readonly sendBufferBytes: number
  readonly gatherBytes: number
  readonly #options: TransportOptions
  readonly #listener: Listener
  readonly #http: WsHttp
  readonly #server: Server
  readonly #handshakes: WebSocketServer
  readonly #counts: ConnectionCounts
  readonly #sockets = new Set<WsSocket>()
  #unflushed: WsSocket[] = []
  #port = 0
  #stopped: Promise<void> | undefined
  #lastClosed: (() => void) | undefined

  constructor(options: TransportOptions, listener: Listener) {
    this.#options = options
    this.#listener = listener
    this.sendBufferBytes = options.sendBufferBytes
    this.gatherBytes = Math.min(GATHER_BYTES, options.sendBufferBytes)
    this.#counts = new ConnectionCounts(options)
    this.#http = new WsHttp(listener, options.maxBodyBytes)
    this.#handshakes = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.maxFrameBytes,
      closeTimeout: CLOSE_GRACE_MS,
      handleProtocols: (offered: Set<string>) => firstSupported(offered)?.subprotocol ?? false,
      WebSocket: OwnedWebSocket,
    } as ConstructorParameters<typeof WebSocketServer>[0])
    this.#server = createServer(
      {
        headersTimeout: options.handshakeTimeoutMs,
        requestTimeout: options.handshakeTimeoutMs + BODY_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        connectionsCheckingInterval: Math.min(CHECK_TIMEOUTS_MS, options.handshakeTimeoutMs),
      },
      (incoming, outgoing) => this.#http.serve(incoming, outgoing),
    )
    this.#server.on('upgrade', (incoming, stream, head) => this.#upgrade(incoming, stream, head))
  }

  listen(): Promise<void> {
    const { host, port } = this.#options
    return new Promise((resolve, reject) => {
      const refused = (error: Error) => reject(new ListenError(host, port, error))
      this.#server.once('error', refused)
      // `exclusive`: in a cluster worker the port would be shared without a word.
      this.#server.listen({ host, port, exclusive: true }, () => {
        this.#server.off('error', refused)
        this.#port = (this.#server.address() as AddressInfo).port
        resolve()
      })
    })
  }

  get port(): number {
    return this.#port
  }

  publish(topic: string, message: Encoded): void {
    this.topics.publish(topic, message)
  }

  connections(): number {
    return this.#counts.total
  }

  stopListening(): void {
    if (this.#stopped !== undefined) return
    this.#http.stop()
    this.#stopped = new Promise((resolve) => this.#server.close(() => resolve()))
  }

  async close(): Promise<void> {
    this.stopListening()
    for (const socket of this.#sockets) socket.close(GOING_AWAY, SHUTTING_DOWN_REASON)
    this.#server.closeAllConnections()
    if (this.#sockets.size > 0) await new Promise<void>((resolve) => (this.#lastClosed = resolve))
    await this.#stopped
  }

  flushLater(socket: WsSocket): void {
    if (this.#unflushed.push(socket) === 1) setImmediate(() => this.#flush())
  }

  closed(socket: WsSocket): void {
    this.#sockets.delete(socket)
    this.#counts.closed(socket.address)
    if (this.#sockets.size === 0) this.#lastClosed?.()
  }

  #flush(): void {
    const unflushed = this.#unflushed
    this.#unflushed = []
    for (const socket of unflushed) socket.flush()
  }

  #upgrade(incoming: IncomingMessage, stream: Duplex, head: Buffer): void {
    const { headers, url = '/' } = incoming
    const upgrade = headers.upgrade ?? ''
    if (
      incoming.method !== 'GET' ||
      targetOf(url).path !== this.#options.path ||
      upgrade.toLowerCase() !== 'websocket'
    ) {
      return this.#http.serveWithoutUpgrade(incoming, stream)
    }
    if (this.#stopped !== undefined) return refuseUpgrade(incoming, stream, shuttingDown)
    const ip = ipFromText(incoming.socket.remoteAddress)
    const verdict = admit(
      {
        upgrade,
        version: headers['sec-websocket-version'] ?? '',
        origin: headers.origin ?? '',
        subprotocols: headers['sec-websocket-protocol'] ?? '',
        ip,
      },
      this.#options,
      this.#counts,
    )
    if ('status' in verdict) return refuseUpgrade(incoming, stream, verdict)
    this.#open(incoming, stream, head, verdict, ip)
  }

  /** From the check to the count nothing else runs, so handshakes that come together cannot exceed the limits. */
  #open(incoming: IncomingMessage, stream: Duplex, head: Buffer, accepted: Accepted, ip: string): void {
    this.#handshakes.handleUpgrade(incoming, stream, head, (ws) => {
      const address = this.#counts.opened(ip)
      const socket = new WsSocket(ws as OwnedWebSocket, stream, accepted.encoding, address, this)
      this.#sockets.add(socket)
      socket.attach(this.#listener.opened(socket))
    })
  }
}
