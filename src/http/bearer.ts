import { ProtocolError } from '../../protocol/v1/errors.ts'
import type { Claims } from '../access/claims.ts'
import type { HttpRequest } from './route.ts'

export type Verify = (token: string) => Promise<Claims>

/** RFC 6750 §2.1, and nothing around it. A token in the URL is not looked for: URLs are logged. */
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i

/** @throws {ProtocolError} UNAUTHENTICATED without a token, AUTH_FAILED with one that is refused */
export async function authenticate(request: HttpRequest, verify: Verify): Promise<Claims> {
  const header = request.headers.get('authorization')
  if (header === undefined) {
    throw new ProtocolError('UNAUTHENTICATED', 'A token is needed: "Authorization: Bearer TOKEN".')
  }
  const token = BEARER.exec(header)?.[1]
  if (token === undefined) {
    throw new ProtocolError('AUTH_FAILED', 'The Authorization header is not of the form "Bearer TOKEN".')
  }
  return verify(token)
}

/** For what other programs of the operator do, such as reading everybody's events. */
export async function authenticateService(request: HttpRequest, verify: Verify): Promise<Claims> {
  const claims = await authenticate(request, verify)
  if (claims.role !== 'service' && claims.role !== 'admin') {
    throw new ProtocolError('FORBIDDEN', 'This takes a token with the role service or admin.')
  }
  return claims
}
