/** The one algorithm of tokens signed with `JWT_SECRET`. */
export const SECRET_ALGORITHM = 'HS256'
/** RFC 7518 §3.2: a key for HS256 has at least the 256 bits of the hash. A shorter one can be guessed offline. */
export const MIN_SECRET_BYTES = 32

/** Imported once: jose imports a raw key anew for every token, which costs 30 to 40 µs each time. */
export function importSecret(secret: Uint8Array<ArrayBuffer>, usage: 'sign' | 'verify') {
  return crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, [usage])
}

/** Throws where the secret is too short to be one. */
export function secretBytes(secret: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(secret)
  if (bytes.length >= MIN_SECRET_BYTES) return bytes
  throw new Error(`the JWT secret has ${bytes.length} bytes; at least ${MIN_SECRET_BYTES} are needed`)
}
