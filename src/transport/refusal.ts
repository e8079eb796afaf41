import { ERRORS, type ErrorCode } from '../../protocol/v1/errors.ts'
import type { HttpResponse } from './transport.ts'

interface RefusalOptions {
  /** Where it is not the one in the table of errors. */
  readonly status?: number
  readonly details?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
}

/** What an engine answers by itself, before anything above it is asked. */
export function refusal(code: ErrorCode, message: string, options: RefusalOptions = {}): HttpResponse {
  const { http, retry } = ERRORS[code]
  const { status = http, details, headers } = options
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', ...headers },
    body: JSON.stringify({ error: { code, message, retry, details } }),
  }
}

export const shuttingDown = refusal('OVERLOADED', 'This server is shutting down.', {
  headers: { 'retry-after': '1' },
})

export function bodyTooLarge(maxBodyBytes: number): HttpResponse {
  return refusal('TOO_LARGE', `A request body may have ${maxBodyBytes} bytes.`, {
    details: { maxBytes: maxBodyBytes },
  })
}

export const badLength = refusal(
  'BAD_FRAME',
  'The length of the body is not said in a way that everybody reads alike.',
)

export const failed = refusal('INTERNAL', 'The server failed; try again later.')
