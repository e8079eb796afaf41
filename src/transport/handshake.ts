import { codecOf, SUBPROTOCOLS } from '../../protocol/v1/codec.ts'
import type { ConnectionCounts } from './connection-counts.ts'
import { refusal } from './refusal.ts'
import type { Encoding, HttpResponse, TransportOptions } from './transport.ts'

/** The headers of a WebSocket upgrade that decide about it; empty where there is none. */
export interface UpgradeRequest {
  readonly upgrade: string
  readonly version: string
  readonly origin: string
  /** The offered sub-protocols, in the client's order, separated by commas. */
  readonly subprotocols: string
  readonly ip: string
}

export interface Accepted {
  readonly encoding: Encoding
  /** To be named in the answer; empty where the client offered none. */
  readonly subprotocol: string
}

const NONE_OFFERED: Accepted = { encoding: 'json', subprotocol: '' }

type Admission = Pick<TransportOptions, 'allowedOrigins'>

/** Whether an upgrade request becomes a WebSocket (§2), or the answer that says why not. */
export function admit(
  request: UpgradeRequest,
  { allowedOrigins }: Admission,
  counts: ConnectionCounts,
): Accepted | HttpResponse {
  if (request.upgrade.toLowerCase() !== 'websocket' || request.version !== '13') {
    return refusal('BAD_FRAME', 'This is not a WebSocket upgrade of version 13.', {
      status: 426,
      headers: { upgrade: 'websocket', 'sec-websocket-version': '13' },
    })
  }
  // Only browsers send `Origin`, and only browsers act for somebody who did not ask them to.
  if (request.origin !== '' && allowedOrigins !== undefined && !allowedOrigins.has(request.origin)) {
    return refusal(
      'FORBIDDEN',
      `The origin ${request.origin} may not connect; ALLOWED_ORIGINS lists those that may.`,
    )
  }
  const accepted = chooseSubprotocol(request.subprotocols)
  if (accepted === undefined) {
    return refusal(
      'BAD_FRAME',
      `None of the offered sub-protocols is supported: ${SUBPROTOCOLS.join(', ')}.`,
      {
        details: { supported: SUBPROTOCOLS },
      },
    )
  }
  return counts.refuse(request.ip) ?? accepted
}

function chooseSubprotocol(offered: string): Accepted | undefined {
  if (offered.trim() === '') return NONE_OFFERED
  return firstSupported(offered.split(',').map((name) => name.trim()))
}

/** The first of the offered sub-protocols that is supported (§2.2). */
export function firstSupported(names: Iterable<string>): Accepted | undefined {
  for (const subprotocol of names) {
    const codec = codecOf(subprotocol)
    if (codec !== undefined && subprotocol !== '') return { encoding: codec.encoding, subprotocol }
  }
  return undefined
}
