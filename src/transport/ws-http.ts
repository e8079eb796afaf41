import { type IncomingMessage, ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { Request } from './http-request.ts'
import { ipFromText } from './ip-address.ts'
import { bodyTooLarge, failed, refusal, shuttingDown } from './refusal.ts'
import { RequestBody } from './request-body.ts'
import type { HttpResponse, Listener } from './transport.ts'

/** The HTTP half of the `ws` engine, on `node:http`. */
export class WsHttp {
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

  serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
    if (this.#stopped) return answer(outgoing, shuttingDown, true)
    const { headers } = incoming
    if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) {
      return this.#ask(incoming, outgoing, new Uint8Array())
    }
    const body = new RequestBody(this.#maxBodyBytes)
    if (body.announces(headers['content-length'])) {
      return answer(outgoing, bodyTooLarge(this.#maxBodyBytes), true)
    }
    incoming.on('data', (chunk: Buffer) => {
      body.add(chunk)
      if (!body.hopeless) return
      incoming.removeAllListeners('data').removeAllListeners('end')
      answer(outgoing, bodyTooLarge(this.#maxBodyBytes), true)
    })
    incoming.on('end', () => {
      if (body.tooLarge) answer(outgoing, bodyTooLarge(this.#maxBodyBytes), false)
      else this.#ask(incoming, outgoing, body.take())
    })
  }

  /** A request with an `Upgrade` that is not one of ours, such as `h2c`, is to be served as if it had none. */
  serveWithoutUpgrade(incoming: IncomingMessage, stream: Duplex): void {
    const { headers } = incoming
    if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) {
      return this.serve(incoming, responseOn(incoming, stream))
    }
    // Node has stopped parsing, so the body cannot be read any more.
    refuseUpgrade(incoming, stream, refusal('BAD_FRAME', 'A request with a body cannot ask for an upgrade.'))
  }

  #ask(incoming: IncomingMessage, outgoing: ServerResponse, body: Uint8Array): void {
    const { path, search } = targetOf(incoming.url ?? '/')
    const request = new Request(
      incoming.method ?? 'GET',
      path,
      search,
      headersOf(incoming),
      body,
      ipFromText(incoming.socket.remoteAddress),
    )
    outgoing.on('close', () => {
      if (!outgoing.writableFinished) request.abort()
    })
    this.#request(request).then(
      (response) => answer(outgoing, response, this.#stopped),
      () => answer(outgoing, failed, true),
    )
  }
}

export function targetOf(url: string): { path: string; search: string } {
  const mark = url.indexOf('?')
  return mark < 0 ? { path: url, search: '' } : { path: url.slice(0, mark), search: url.slice(mark + 1) }
}

export function refuseUpgrade(incoming: IncomingMessage, stream: Duplex, response: HttpResponse): void {
  answer(responseOn(incoming, stream), response, true)
}

/** A response for a request whose socket Node has handed over with the event `upgrade`. */
function responseOn(incoming: IncomingMessage, stream: Duplex): ServerResponse {
  const outgoing = new ServerResponse(incoming)
  // Without a parser behind it the connection cannot take another request.
  outgoing.shouldKeepAlive = false
  const socket = stream as IncomingMessage['socket']
  socket.on('error', () => socket.destroy())
  // Nobody reads, and only who reads learns that the peer has gone away.
  socket.resume()
  outgoing.assignSocket(socket)
  outgoing.on('finish', () => socket.destroySoon())
  return outgoing
}

function headersOf(incoming: IncomingMessage): Map<string, string> {
  const headers = new Map<string, string>()
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers.set(name, typeof value === 'string' ? value : value.join(', '))
  }
  return headers
}

function answer(outgoing: ServerResponse, response: HttpResponse, close: boolean): void {
  if (outgoing.destroyed || outgoing.headersSent) return
  const { status, headers, body = '' } = response
  outgoing.statusCode = status
  outgoing.statusMessage = STATUS_CODES[status] ?? ''
  for (const name in headers) outgoing.setHeader(name, headers[name]!)
  // RFC 9110 §8.6: neither has a body, and 204 must not tell a length.
  if (status !== 204 && status !== 304) outgoing.setHeader('content-length', Buffer.byteLength(body))
  if (close) outgoing.setHeader('connection', 'close')
  // Node leaves the body out where the method is HEAD.
  outgoing.end(body)
}
