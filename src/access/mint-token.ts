import { type JWTPayload, SignJWT } from 'jose'
import type { Right } from './claims.ts'
import { readClaims } from './read-claims.ts'
import { importSecret, SECRET_ALGORITHM, secretBytes } from './secret-key.ts'
import { MAX_TOKEN_BYTES } from './verify-token.ts'

/** What a token is to say, as it stands in the token. */
export interface TokenClaims {
  readonly sub: string
  readonly role?: string | undefined
  readonly workspaceId?: string | undefined
  readonly shopId?: string | undefined
  /** Absent: all. Empty: none. */
  readonly modules?: readonly string[] | undefined
  /** A channel alone grants `subscribe` and `signal`. */
  readonly channels?:
    | readonly (string | { readonly channel: string; readonly may: readonly Right[] })[]
    | undefined
  readonly tenantId?: string | undefined
}

export interface MintOptions {
  /** From now, in seconds; may have a fraction. */
  readonly ttlSeconds: number
  /** `iss`, where the server asks for one. */
  readonly issuer?: string | undefined
  /** `aud`, likewise. */
  readonly audience?: string | undefined
}

/**
 * An HS256 token for `bitacora token` and development mode. Throws a `ClaimError` that names the claim the server would
 * refuse.
 */
export async function mintToken(secret: string, claims: TokenClaims, options: MintOptions): Promise<string> {
  const { ttlSeconds, issuer, audience } = options
  if (!(ttlSeconds > 0)) throw new RangeError('a token has to live for more than 0 seconds')
  const nowMs = Date.now()
  const { sub, role, workspaceId, shopId, modules, channels, tenantId } = claims
  const payload = {
    // What is undefined is not written.
    ...{ sub, role, workspaceId, shopId, modules, channels, tenantId, iss: issuer, aud: audience },
    iat: Math.floor(nowMs / 1000),
    exp: Math.round(nowMs + ttlSeconds * 1000) / 1000,
  }
  readClaims(payload)
  const key = await importSecret(secretBytes(secret), 'sign')
  const token = await new SignJWT(payload as JWTPayload)
    .setProtectedHeader({ alg: SECRET_ALGORITHM, typ: 'JWT' })
    .sign(key)
  if (token.length > MAX_TOKEN_BYTES) {
    throw new RangeError(`the token would have ${token.length} bytes; at most ${MAX_TOKEN_BYTES} are taken`)
  }
  return token
}
