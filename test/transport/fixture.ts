import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ClientOptions, WebSocket } from 'ws'
import type {
  Connection,
  HttpRequest,
  HttpResponse,
  Listen,
  Socket,
  Transport,
  TransportOptions,
} from '../../src/transport/transport.ts'

/** What a test of the contract needs to know of the engine it runs on. */
export interface Engine {
  readonly name: 'uws' | 'ws'
  readonly listen: Listen
  /** The longest that an incomplete request head may live, in milliseconds, where 500 was asked for. */
  readonly handshakeLimitMs: number
}

export const OPTIONS: TransportOptions = {
  host: '127.0.0.1',
  port: 0,
  path: '/ws',
  maxFrameBytes: 64 * 1024,
  maxBodyBytes: 100_000,
  sendBufferBytes: 1024 * 1024,
  allowedOrigins: undefined,
  maxConnections: 1000,
  maxConnectionsPerIp: 1000,
  handshakeTimeoutMs: 5000,
}

/** Writes down all that the transport tells about one socket. */
export class Recorder implements Connection {
  readonly socket: Socket
  readonly messages: { bytes: Buffer; binary: boolean }[] = []
  readonly ends: string[] = []
  signs = 0
  drains = 0
  onMessage: ((text: string) => void) | undefined

  constructor(socket: Socket) {
    this.socket = socket
  }

  message(bytes: Uint8Array, binary: boolean): void {
    const copy = Buffer.from(bytes)
    this.messages.push({ bytes: copy, binary })
    this.onMessage?.(copy.toString())
  }

  alive(): void {
    this.signs++
  }

  drained(): void {
    this.drains++
  }

  overflowed(): void {
    this.ends.push('overflowed')
  }

  closed(code: number): void {
    this.ends.push(`closed ${code}`)
  }

  get gone(): boolean {
    return this.ends.some((end) => end.startsWith('closed'))
  }
}

type Teardown = { teardown(end: () => Promise<void> | void): void }

/** A transport, and what its listener was told. */
export class Served {
  readonly transport: Transport
  readonly recorders: Recorder[]
  readonly requests: HttpRequest[]

  constructor(transport: Transport, recorders: Recorder[], requests: HttpRequest[]) {
    this.transport = transport
    this.recorders = recorders
    this.requests = requests
  }

  get url(): string {
    return `ws://127.0.0.1:${this.transport.port}/ws`
  }

  get http(): string {
    return `http://127.0.0.1:${this.transport.port}`
  }

  /** A client, and what the server has of it. */
  async connect(protocols: string[] = [], options: ClientOptions = {}): Promise<[Client, Recorder]> {
    const known = new Set(this.recorders)
    const client = await connect(this.url, protocols, options)
    await until(() => this.recorders.some((recorder) => !known.has(recorder)))
    return [client, this.recorders.find((recorder) => !known.has(recorder))!]
  }
}

interface Serving extends Partial<TransportOptions> {
  readonly opened?: (recorder: Recorder) => void
  readonly request?: (request: HttpRequest) => Promise<HttpResponse>
}

export async function serve(t: Teardown, engine: Engine, serving: Serving = {}): Promise<Served> {
  const { opened, request = async () => ({ status: 404 }), ...options } = serving
  const recorders: Recorder[] = []
  const requests: HttpRequest[] = []
  const transport = await engine.listen(
    { ...OPTIONS, ...options },
    {
      opened(socket) {
        const recorder = new Recorder(socket)
        recorders.push(recorder)
        opened?.(recorder)
        return recorder
      },
      request(received) {
        requests.push(received)
        return request(received)
      },
    },
  )
  t.teardown(() => transport.close())
  return new Served(transport, recorders, requests)
}

/** A `ws` client that keeps what it gets. */
export class Client {
  readonly ws: WebSocket
  readonly received: (string | Buffer)[] = []
  code: number | undefined
  reason = ''

  constructor(ws: WebSocket) {
    this.ws = ws
    ws.on('message', (bytes: Buffer, binary) => this.received.push(binary ? bytes : bytes.toString()))
    ws.on('error', () => {})
    ws.on('close', (code, reason) => {
      this.code = code
      this.reason = reason.toString()
    })
  }

  get texts(): string[] {
    return this.received.map(String)
  }

  async closed(): Promise<number> {
    await until(() => this.code !== undefined)
    return this.code!
  }
}

export async function connect(
  url: string,
  protocols: string[] = [],
  options: ClientOptions = {},
): Promise<Client> {
  const ws = new WebSocket(url, protocols, options)
  const client = new Client(ws)
  await new Promise((resolve, reject) => {
    ws.once('open', resolve)
    ws.once('error', reject)
  })
  return client
}

/** The HTTP answer to an upgrade that is refused. */
export function refused(
  url: string,
  protocols: string[] = [],
  options: ClientOptions = {},
): Promise<{ status: number; headers: Record<string, unknown>; body: string }> {
  const ws = new WebSocket(url, protocols, options)
  return new Promise((resolve, reject) => {
    ws.on('open', () => reject(new Error('The upgrade was not refused.')))
    ws.on('error', reject)
    ws.on('unexpected-response', (_request, response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }))
    })
  })
}

export async function until(condition: () => boolean, withinMs = 10_000): Promise<void> {
  const deadline = Date.now() + withinMs
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`Not within ${withinMs} ms: ${condition}`)
    await sleep(2)
  }
}

export function freePort(): Promise<number> {
  const server = createServer()
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

export const range = (count: number) => Array.from({ length: count }, (_, index) => index)

/** Runs in the next turn of the event loop. */
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
