/**
 * What the rest of the server knows of a WebSocket engine. `uws.ts` and `ws.ts` implement it, and both run the
 * contract suite in `test/transport/contract.ts`.
 */

/** How the frames of one connection are encoded; fixed by the WebSocket sub-protocol. */
export type Encoding = 'json' | 'msgpack'

/** An encoded frame: a string goes out as a text message, bytes as a binary one. */
export type Encoded = string | Uint8Array

/** One open WebSocket. Every method is safe after the close and then does nothing. */
export interface Socket {
  /** The peer's address in its usual text form. */
  readonly ip: string
  readonly encoding: Encoding
  /** False from the moment the socket has been closed, by either side. */
  readonly open: boolean
  /** Hands one message to the engine. Over the send limit it is not sent, and the socket is ended (4508). */
  send(frame: Encoded): void
  /** Joins the writes made inside `write` into as few system calls as the engine can. */
  cork(write: () => void): void
  /** Bytes handed to the engine that the operating system has not taken yet. */
  bufferedBytes(): number
  subscribe(topic: string): void
  unsubscribe(topic: string): void
  /** Hands one message to every other socket that is subscribed to `topic`, whether or not this one is. */
  publish(topic: string, frame: Encoded): void
  /** Asks the peer's WebSocket engine for a sign of life: `alive` tells of its answer. */
  ping(): void
  /** Sends what is buffered, then a close frame; ends the connection by force if the peer does not follow. */
  close(code: number, reason: string): void
}

/** The receiving end of one socket. */
export interface Connection {
  /** One message. `bytes` may be read during the call only. */
  message(bytes: Uint8Array, binary: boolean): void
  /** Any other sign of life: a protocol-level ping or pong. */
  alive(): void
  /** The send buffer has run empty after it had not been. */
  drained(): void
  /** A frame could not be sent because the buffer is over its limit; the engine has ended the socket already. */
  overflowed(): void
  /** The socket is closed; called once, whoever closed it. */
  closed(code: number): void
}

export interface HttpRequest {
  readonly method: string
  /** Without the query, percent-encoded as it came. */
  readonly path: string
  readonly query: URLSearchParams
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Uint8Array
  readonly ip: string
  /** Aborted when the peer goes away before the response. */
  readonly signal: AbortSignal
}

export interface HttpResponse {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

/** What a transport calls. */
export interface Listener {
  opened(socket: Socket): Connection
  /** Every HTTP request that is not a WebSocket upgrade of `path`. Must not throw. */
  request(request: HttpRequest): Promise<HttpResponse>
}

export interface TransportOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** The path of the WebSocket endpoint. */
  readonly path: string
  /** The largest WebSocket message taken, in bytes. */
  readonly maxFrameBytes: number
  /** The largest HTTP request body taken, in bytes; a larger one is answered with 413. */
  readonly maxBodyBytes: number
  /** What one socket may have unsent, in bytes. */
  readonly sendBufferBytes: number
  /** Origins of browsers that may connect; `undefined`: all. A request without `Origin` is no browser's. */
  readonly allowedOrigins: ReadonlySet<string> | undefined
  /** Open WebSockets in total; one more is refused with HTTP 503. */
  readonly maxConnections: number
  /** Open WebSockets of one address; one more is refused with HTTP 429. */
  readonly maxConnectionsPerIp: number
  /** How long the peer may take to send a complete HTTP request head, in milliseconds. */
  readonly handshakeTimeoutMs: number
}

export interface Transport {
  readonly engine: 'uws' | 'ws'
  /** The port that is listened on. */
  readonly port: number
  /** Hands one message to every socket subscribed to `topic`; what a tick publishes to a socket is one write. */
  publish(topic: string, frame: Encoded): void
  /** Open WebSockets. */
  connections(): number
  /** Stops listening: no new connection and no new request; open sockets stay. */
  stopListening(): void
  /** Ends every connection that is still open and frees the port. */
  close(): Promise<void>
}

/** Rejects, with the address and a remedy in the message, when the port is taken. */
export type Listen = (options: TransportOptions, listener: Listener) => Promise<Transport>
