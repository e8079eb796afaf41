import { ERRORS, type ErrorCode, type ProtocolError } from '../../protocol/v1/errors.ts'
import type { HttpResponse } from './route.ts'

/** How long to wait before a retry when the error does not say, in seconds. */
const RETRY_AFTER_S = 1

/** Answers of this API are of the moment, and JSON is never to be taken for a page. */
const HEADERS = {
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
}

export function jsonText(status: number, body: string, headers: Record<string, string> = {}): HttpResponse {
  return { status, headers: { ...HEADERS, ...headers }, body }
}

export function json(status: number, value: unknown, headers?: Record<string, string>): HttpResponse {
  return jsonText(status, JSON.stringify(value), headers)
}

/** What an error looks like inside a body. */
export interface ErrorBody {
  readonly code: ErrorCode
  readonly message: string
  readonly retry: boolean
  readonly details?: Readonly<Record<string, unknown>>
}

export function errorBody({ code, message, retry, details }: ProtocolError): ErrorBody {
  return details === undefined ? { code, message, retry } : { code, message, retry, details }
}

/** `status`: where it is not the one in the table of errors, as for 405. */
export function refusal(
  error: ProtocolError,
  status: number = ERRORS[error.code].http,
  headers: Record<string, string> = {},
): HttpResponse {
  return json(status, { error: errorBody(error) }, { ...headersOf(error), ...headers })
}

export function headersOf(error: ProtocolError): Record<string, string> {
  if (error.code === 'UNAUTHENTICATED') return { 'www-authenticate': 'Bearer realm="bitacora"' }
  if (error.code === 'AUTH_FAILED') {
    // RFC 6750 §3.1
    return { 'www-authenticate': 'Bearer realm="bitacora", error="invalid_token"' }
  }
  if (!error.retry || error.code === 'INTERNAL') return {}
  const resetAt = error.details?.resetAt
  const seconds = typeof resetAt === 'number' ? Math.ceil((resetAt - Date.now()) / 1000) : RETRY_AFTER_S
  return { 'retry-after': String(Math.max(seconds, RETRY_AFTER_S)) }
}
