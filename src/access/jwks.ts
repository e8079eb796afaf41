import { type CryptoKey, createLocalJWKSet, errors, type JWTVerifyGetKey } from 'jose'
import { ProtocolError } from '../../protocol/v1/errors.ts'

/** What the key set needs of a logger; pino's fits. */
export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export interface KeySetOptions {
  readonly url: string
  readonly log?: Log | undefined
  /** Called when the endpoint has served a set that differs from the one before. */
  readonly changed?: () => void
  /** One download, in milliseconds. */
  readonly timeoutMs?: number
  /** After this the set is downloaded again before the next token is verified, so that a withdrawn key ends. */
  readonly maxAgeMs?: number
  /** The least time between two downloads, however many unknown key ids come. */
  readonly cooldownMs?: number
  /** The same as long as there has never been a set. */
  readonly retryMs?: number
}

/** A set of keys is a few KiB; an endpoint that sends more than this is not one. */
const MAX_SET_BYTES = 256 * 1024

/**
 * The issuer's public keys, downloaded when first needed.
 *
 * jose's own remote set forgets its keys when they are old and the endpoint is away, and asks a broken endpoint again
 * for every token. Here keys go on working until the endpoint has served others, every caller that needs a download
 * shares the one under way, and the next waits for the cooldown, whether the last succeeded or failed. Only a key that
 * nobody can look up now is `UNAVAILABLE`; an unknown key id that the endpoint does not have either is jose's
 * `JWKSNoMatchingKey`.
 */
export function createKeySet({
  url,
  log,
  changed = () => {},
  timeoutMs = 3_000,
  maxAgeMs = 600_000,
  cooldownMs = 10_000,
  retryMs = 1_000,
}: KeySetOptions): (...token: Parameters<JWTVerifyGetKey>) => Promise<CryptoKey> {
  let keys: ReturnType<typeof createLocalJWKSet> | undefined
  let text = ''
  let failure: unknown
  let refreshedAt = Number.NEGATIVE_INFINITY
  let attemptedAt = Number.NEGATIVE_INFINITY
  let pending: Promise<void> | undefined

  async function download(): Promise<void> {
    try {
      const served = await fetchText(url, timeoutMs)
      if (served !== text) {
        keys = createLocalJWKSet(JSON.parse(served))
        text = served
        changed()
      }
      if (failure !== undefined) log?.info({ url }, 'the key set can be read again')
      failure = undefined
      refreshedAt = performance.now()
    } catch (error) {
      // Said once per outage: tokens come by the thousand.
      if (failure === undefined) {
        log?.warn({ url, err: error }, 'the key set cannot be read; keys that are known go on working')
      }
      failure = error
    } finally {
      attemptedAt = performance.now()
      pending = undefined
    }
  }

  /** The download under way, a new one, or none while it is too early for one. Never rejects. */
  function refresh(): Promise<void> | undefined {
    if (pending !== undefined) return pending
    if (performance.now() - attemptedAt < (keys === undefined ? retryMs : cooldownMs)) return undefined
    pending = download()
    return pending
  }

  return async (header, token) => {
    if (keys === undefined) await refresh()
    else if (performance.now() - refreshedAt >= maxAgeMs) {
      const refreshed = refresh()
      // Nobody waits for an endpoint that is known to be away.
      if (failure === undefined) await refreshed
    }
    if (keys === undefined) throw unavailable(failure)
    try {
      return await keys(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      await refresh()
      if (failure !== undefined) throw unavailable(failure)
      return keys(header, token)
    }
  }
}

function unavailable(cause: unknown): ProtocolError {
  return new ProtocolError('UNAVAILABLE', 'the keys of the token issuer cannot be read now', undefined, {
    cause,
  })
}

async function fetchText(url: string, timeoutMs: number): Promise<string> {
  const response = await fetch(url, {
    headers: { accept: 'application/jwk-set+json, application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  })
  const chunks: Uint8Array[] = []
  let bytes = 0
  // Leaving the loop early cancels the download.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_SET_BYTES) throw new Error(`the key set is larger than ${MAX_SET_BYTES} bytes`)
    chunks.push(chunk)
  }
  if (response.status !== 200) throw new Error(`the key set's endpoint answered ${response.status}`)
  return Buffer.concat(chunks).toString('utf8')
}
