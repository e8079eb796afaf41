import type { HttpRequest } from './transport.ts'

/** An HTTP request as both engines hand it up. What few routes read is made only when it is read. */
export class Request implements HttpRequest {
  readonly method: string
  readonly path: string
  readonly headers: ReadonlyMap<string, string>
  readonly body: Uint8Array
  readonly ip: string
  readonly #search: string
  #query: URLSearchParams | undefined
  #abort: AbortController | undefined
  #aborted = false

  /** `search`: what stands behind the question mark. */
  constructor(
    method: string,
    path: string,
    search: string,
    headers: ReadonlyMap<string, string>,
    body: Uint8Array,
    ip: string,
  ) {
    this.method = method
    this.path = path
    this.#search = search
    this.headers = headers
    this.body = body
    this.ip = ip
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.#search)
    return this.#query
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#aborted) this.#abort.abort()
    return this.#abort.signal
  }

  /** The peer has gone away. */
  abort(): void {
    this.#aborted = true
    this.#abort?.abort()
  }
}
