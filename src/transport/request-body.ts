/**
 * What is still read of a body that is too large, in bytes, so that the peer gets to read the 413: closed in its
 * face, most clients report a broken connection instead.
 */
const DISCARD_BYTES = 4 * 1024 * 1024

/** The body of one HTTP request while it arrives. */
export class RequestBody {
  readonly #maxBytes: number
  #chunks: Buffer[] = []
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Takes the chunk over. */
  add(chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.tooLarge) this.#chunks = []
    else this.#chunks.push(chunk)
  }

  get tooLarge(): boolean {
    return this.#bytes > this.#maxBytes
  }

  /** It makes no sense to wait for the end. */
  get hopeless(): boolean {
    return this.#bytes > this.#maxBytes + DISCARD_BYTES
  }

  /** The same, by what the peer has announced. */
  announces(contentLength: string | undefined): boolean {
    return contentLength !== undefined && Number(contentLength) > this.#maxBytes + DISCARD_BYTES
  }

  take(): Buffer {
    return this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
  }
}
