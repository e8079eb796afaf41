/** The frames that say no. */

import { CLOSES, type CloseCode, type ProtocolError } from './errors.ts'
import type { ByeFrame, ErrorFrame } from './frames.ts'

export function errorFrame(error: ProtocolError, id?: number): ErrorFrame {
  return {
    op: 'error',
    id,
    code: error.code,
    message: error.message,
    retry: error.retry,
    details: error.details,
  }
}

/** `after`: how long the client waits before it connects again, in milliseconds. */
export function byeFrame(code: CloseCode, reason?: string, after?: number): ByeFrame {
  const row = CLOSES[code]
  return { op: 'bye', code, reason: reason ?? row?.meaning ?? '', reconnect: row?.reconnect ?? true, after }
}
