import type { Test } from 'tap'
import type { HelloFrame } from '../protocol/v1/frames.ts'
import { mintToken, type TokenClaims } from '../src/access/mint-token.ts'
import { type Environment, readConfig } from '../src/config.ts'
import { createLogger } from '../src/ops/logger.ts'
import { type Server, startServer } from '../src/server.ts'
import type { Encoding } from '../src/transport/transport.ts'
import { TestClient } from './client.ts'
import { testDatabase } from './postgres.ts'

const SECRET = 'a secret for tests only, of more than 32 bytes'

interface Variant {
  readonly engine: 'uws' | 'ws'
  readonly encoding: Encoding
}

/** What a test varies: every promise of the protocol holds in each of these. */
export const VARIANTS: readonly Variant[] = [
  { engine: 'uws', encoding: 'json' },
  { engine: 'ws', encoding: 'msgpack' },
  { engine: 'uws', encoding: 'msgpack' },
  { engine: 'ws', encoding: 'json' },
]

/** Each engine and each encoding once, where one does not bear on the other. */
export const BOTH = VARIANTS.slice(0, 2)

export interface TestServer extends Server {
  readonly http: string
  readonly databaseUrl: string
  readonly pool: Awaited<ReturnType<typeof testDatabase>>['pool']
  token(claims?: Partial<TokenClaims>, ttlSeconds?: number): Promise<string>
  /** A connection that has not said hello. */
  open(encoding?: Encoding): Promise<TestClient>
  /** A connection that has been welcomed. */
  connect(
    claims?: Partial<TokenClaims>,
    hello?: Partial<HelloFrame>,
    encoding?: Encoding,
  ): Promise<TestClient>
}

export const tokenOf = (claims: Partial<TokenClaims> = {}, ttlSeconds = 600): Promise<string> =>
  mintToken(SECRET, { sub: 'ana', ...claims }, { ttlSeconds })

let rooms = 0
/** A room that no other test of this file has used. */
export const newRoom = () => `room:r${++rooms}`

/** A real server on a database of its own, without rate limits unless `env` sets them; closed at the end of `t`. */
export async function testServer(
  t: Test,
  env: Environment = {},
  { database, encoding = 'json' }: { database?: { url: string }; encoding?: Encoding } = {},
): Promise<TestServer> {
  const own = database ?? (await testDatabase(t))
  const config = readConfig({
    PORT: '0',
    DATABASE_URL: own.url,
    JWT_SECRET: SECRET,
    RATE_LIMITS: 'off',
    DRAIN_MS: '0',
    LOG_LEVEL: 'silent',
    ...env,
  })
  const server = await startServer(config, { log: createLogger(config.logLevel) })
  t.teardown(() => server.close())
  const open = async (as: Encoding = encoding) => {
    const client = await TestClient.open(server.url, as)
    t.teardown(() => client.socket.terminate())
    return client
  }
  return {
    ...server,
    http: server.url.replace('ws:', 'http:').replace('/ws', ''),
    databaseUrl: own.url,
    pool: (own as Awaited<ReturnType<typeof testDatabase>>).pool,
    token: tokenOf,
    open,
    async connect(claims, hello, as) {
      const client = await open(as)
      await client.hello(await tokenOf(claims), hello)
      return client
    },
  }
}

/**
 * The same for each of the variants, on a server whose clients use its encoding unless told otherwise. `atOnce`: where the
 * time goes by with waiting.
 */
export function inEachVariant(
  t: Test,
  variants: readonly Variant[],
  env: Environment,
  body: (t: Test, server: TestServer) => Promise<void>,
  { atOnce = false } = {},
): void {
  if (atOnce) t.jobs = variants.length
  for (const { engine, encoding } of variants) {
    t.test(`${engine}, ${encoding}`, { buffered: atOnce }, async (t) => {
      await body(t, await testServer(t, { ENGINE: engine, ...env }, { encoding }))
    })
  }
}
