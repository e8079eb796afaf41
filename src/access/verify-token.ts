import { errors, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { ProtocolError } from '../../protocol/v1/errors.ts'
import type { Claims } from './claims.ts'
import { createKeySet, type KeySetOptions, type Log } from './jwks.ts'
import { ClaimError, readClaims } from './read-claims.ts'
import { importSecret, SECRET_ALGORITHM, secretBytes } from './secret-key.ts'
import { createTokenCache } from './token-cache.ts'

export type { Claims, Grant, Right } from './claims.ts'

/** Longer ones are refused unread. A token travels in a frame of at most 64 KiB and in HTTP headers of 8 KiB. */
export const MAX_TOKEN_BYTES = 8 * 1024
/** How far the issuer's clock may be ahead of ours (`nbf`, `iat`). `exp` ends a token on our clock, to the millisecond. */
export const CLOCK_TOLERANCE_S = 5
/** Asymmetric only: with an HMAC among them, anybody could sign with the public key as the secret (RFC 8725 §2.1). */
export const KEY_SET_ALGORITHMS: readonly string[] = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']

export interface VerifierOptions {
  /** The secret of HS256 tokens, at least 32 bytes of UTF-8. Either this or `jwksUrl`. */
  readonly secret?: string | undefined
  /** Where the issuer publishes its public keys. */
  readonly jwksUrl?: string | undefined
  /** The `iss` that a token must have. */
  readonly issuer?: string | undefined
  /** The `aud` that a token must have, alone or among others. */
  readonly audience?: string | undefined
  /** The `tenantId` that a token must have. */
  readonly tenantId?: string | undefined
  readonly log?: Log | undefined
  /** Waits of the key set; for tests. */
  readonly keySet?: Pick<KeySetOptions, 'timeoutMs' | 'maxAgeMs' | 'cooldownMs' | 'retryMs'>
}

/**
 * The claims of a good token. Rejects with `AUTH_FAILED`, whose message names the claim or the fault and never quotes
 * the token, or with `UNAVAILABLE` when the issuer's keys are needed and cannot be read (worth a retry).
 */
export type Verify = (token: string) => Promise<Claims>

const HAS_ENDED = 'says that the token has ended'
/** A compact JWS. The five parts of a JWE are none. */
const COMPACT_JWS = /^[\w-]+\.[\w-]+\.[\w-]+$/

export function createVerifier(options: VerifierOptions): Verify {
  const { issuer, audience, tenantId } = options
  const cache = createTokenCache()
  let keysOfNow = {}
  const { algorithms, getKey } = trust(options, () => {
    keysOfNow = {}
    cache.clear()
  })
  const expected = {
    algorithms: [...algorithms],
    requiredClaims: ['sub', 'exp'],
    clockTolerance: CLOCK_TOLERANCE_S,
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
  }

  async function verify(token: string): Promise<Claims> {
    const { payload } = await jwtVerify(token, getKey, expected)
    const claims = readClaims(payload)
    if (claims.exp * 1000 <= Date.now()) throw new ClaimError('exp', HAS_ENDED)
    if (claims.iat !== undefined && claims.iat > Date.now() / 1000 + CLOCK_TOLERANCE_S) {
      // Expelling a user refuses the tokens issued before; one dated ahead would slip through.
      throw new ClaimError('iat', 'is in the future')
    }
    if (tenantId !== undefined && claims.tenantId !== tenantId) {
      throw new ClaimError('tenantId', 'is not the tenant of this server')
    }
    return claims
  }

  return async (token) => {
    if (typeof token !== 'string' || token.length > MAX_TOKEN_BYTES) {
      throw new ProtocolError('AUTH_FAILED', `a token is a string of at most ${MAX_TOKEN_BYTES} bytes`)
    }
    const known = cache.get(token)
    if (known !== undefined) return known
    if (!COMPACT_JWS.test(token)) throw new ProtocolError('AUTH_FAILED', 'the token is not a signed JWT')
    const keysBefore = keysOfNow
    try {
      const claims = await verify(token)
      // The keys may have changed while the signature was checked.
      if (keysOfNow === keysBefore) cache.set(token, claims)
      return claims
    } catch (error) {
      throw refusal(error, algorithms)
    }
  }
}

interface Trust {
  readonly algorithms: readonly string[]
  readonly getKey: JWTVerifyGetKey
}

/** jose compares the algorithm with the list before it asks for the key. */
function trust({ secret, jwksUrl, log, keySet }: VerifierOptions, changed: () => void): Trust {
  if (jwksUrl !== undefined && secret === undefined) {
    return { algorithms: KEY_SET_ALGORITHMS, getKey: createKeySet({ ...keySet, url: jwksUrl, log, changed }) }
  }
  if (secret === undefined || jwksUrl !== undefined) {
    throw new Error('tokens are verified with a secret or with a key set: give one of them')
  }
  const key = importSecret(secretBytes(secret), 'verify')
  return { algorithms: [SECRET_ALGORITHM], getKey: () => key }
}

function refusal(error: unknown, algorithms: readonly string[]): ProtocolError {
  if (error instanceof ProtocolError) return error
  if (error instanceof ClaimError) return refused(error.message, { claim: error.claim })
  if (error instanceof errors.JWTExpired) return refusal(new ClaimError('exp', HAS_ENDED), algorithms)
  if (error instanceof errors.JWTClaimValidationFailed) {
    // jose's words here name the claim and quote nothing.
    return refused(error.message, { claim: error.claim })
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return refused(`its algorithm is not one of ${algorithms.join(', ')}`)
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return refused('its signature does not fit')
  if (error instanceof errors.JWKSNoMatchingKey) return refused('the issuer has no such key')
  if (error instanceof errors.JWKSMultipleMatchingKeys) {
    return refused('it does not say with which key it was signed ("kid")')
  }
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) {
    return refused('it is not a signed JWT')
  }
  // What is left is about the key: RSA below 2048 bits, a private key in the issuer's set, one that cannot be imported.
  return new ProtocolError('AUTH_FAILED', 'the token is refused: its key cannot be used', undefined, {
    cause: error,
  })
}

function refused(why: string, details?: { readonly claim: string }): ProtocolError {
  return new ProtocolError('AUTH_FAILED', `the token is refused: ${why}`, details)
}
