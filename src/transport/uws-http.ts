import type * as uWS from 'uWebSockets.js'
import { STATUS_CODES } from 'node:http'
import { Request } from './http-request.ts'
import { ipFromBytes } from './ip-address.ts'
import { badLength, bodyTooLarge, failed, shuttingDown } from './refusal.ts'
import { RequestBody } from './request-body.ts'
import type { HttpResponse, Listener } from './transport.ts'

/** The HTTP half of the uWebSockets.js engine. */
export class UwsHttp {
  readonly #request: Listener['request']
  readonly #maxBodyBytes: number
  #stopped = false

  constructor(listener: Listener, maxBodyBytes: number) {
    this.#request = (request) => listener.request(request)
    this.#maxBodyBytes = maxBodyBytes
  }

  /** From now on every request is refused. */
  stop(): void {
    this.#stopped = true
  }

  serve(response: uWS.HttpResponse, request: uWS.HttpRequest): void {
    const exchange = new Exchange(response, request)
    if (this.#stopped) return exchange.answer(shuttingDown, true)
    const length = exchange.headers.get('content-length')
    // The engine takes any transfer coding for chunked, and would serve what follows as a request of its own.
    const coding = exchange.headers.get('transfer-encoding')
    if ((coding !== undefined && coding.toLowerCase() !== 'chunked') || length?.includes(',')) {
      return exchange.answer(badLength, true)
    }
    if (length === undefined && !exchange.headers.has('transfer-encoding')) {
      return this.#ask(exchange, new Uint8Array())
    }
    const body = new RequestBody(this.#maxBodyBytes)
    if (body.announces(length)) return exchange.answer(bodyTooLarge(this.#maxBodyBytes), true)
    response.onData((chunk, last) => {
      // The chunk is gone when this returns.
      body.add(Buffer.from(new Uint8Array(chunk)))
      if (body.hopeless || (last && body.tooLarge)) {
        exchange.answer(bodyTooLarge(this.#maxBodyBytes), body.hopeless)
      } else if (last) {
        this.#ask(exchange, body.take())
      }
    })
  }

  #ask(exchange: Exchange, body: Uint8Array): void {
    const { method, path, search, headers, ip } = exchange
    const request = new Request(method, path, search, headers, body, ip)
    exchange.request = request
    this.#request(request).then(
      (response) => exchange.answer(response, this.#stopped),
      () => exchange.answer(failed, true),
    )
  }
}

/** One request and its answer. What is to be known of the request is copied: the engine's object ends with the call. */
class Exchange {
  readonly method: string
  readonly path: string
  readonly search: string
  readonly headers = new Map<string, string>()
  readonly ip: string
  /** Whom to tell when the peer goes away. */
  request: Request | undefined
  readonly #response: uWS.HttpResponse
  #over = false

  constructor(response: uWS.HttpResponse, request: uWS.HttpRequest) {
    this.#response = response
    this.method = request.getMethod().toUpperCase()
    this.path = request.getUrl()
    // Undefined where there is no question mark, whatever the types say.
    this.search = request.getQuery() ?? ''
    request.forEach((name, value) => {
      const before = this.headers.get(name)
      this.headers.set(name, before === undefined ? value : `${before}, ${value}`)
    })
    this.ip = ipFromBytes(new Uint8Array(response.getRemoteAddress()))
    response.onAborted(() => {
      this.#over = true
      this.request?.abort()
    })
  }

  answer(response: HttpResponse, close: boolean): void {
    if (this.#over) return
    this.#over = true
    this.#response.cork(() => write(this.#response, response, this.method === 'HEAD', close))
  }
}

export function write(
  native: uWS.HttpResponse,
  { status, headers, body = '' }: HttpResponse,
  withoutBody: boolean,
  close: boolean,
): void {
  native.writeStatus(`${status} ${STATUS_CODES[status] ?? ''}`)
  for (const name in headers) {
    // The engine counts by itself.
    if (name.toLowerCase() !== 'content-length') native.writeHeader(name, headers[name]!)
  }
  const bodyless = status === 204 || status === 304
  if (!bodyless && !withoutBody) {
    native.end(body, close)
    return
  }
  // RFC 9110 §8.6: neither has a body, and 204 must not tell a length.
  if (!bodyless) native.writeHeader('content-length', String(Buffer.byteLength(body)))
  if (close) native.writeHeader('connection', 'close')
  // With a length as argument the engine would wait for that many bytes and take the next request for a mistake.
  native.endWithoutBody()
}
