import type { HttpRequest, HttpResponse } from '../transport/transport.ts'

export type { HttpRequest, HttpResponse } from '../transport/transport.ts'

/** One line of the router's table. A `GET` also answers `HEAD`. */
export interface Route {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** May throw: a `ProtocolError` is told to the peer, anything else is logged and told as INTERNAL. */
  readonly handle: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>
}
