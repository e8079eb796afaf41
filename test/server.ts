import type { Test } from 'tap'
import { mintToken, type TokenClaims } from '../src/access/mint-token.ts'
import { type Environment, readConfig } from '../src/config.ts'
import { createLogger } from '../src/ops/logger.ts'
import { type Server, startServer } from '../src/server.ts'
import type { Encoding } from '../src/transport/transport.ts'
import { TestClient } from './client.ts'
import { testDatabase } from './postgres.ts'

const SECRET = 'a secret for tests only, of more than 32 bytes'

/** What a test varies: every promise of the protocol holds in each of these. */
export const VARIANTS: readonly { readonly engine: 'uws' | 'ws'; readonly encoding: Encoding }[] = [
  { engine: 'uws', encoding: 'json' },
  { engine: 'ws', encoding: 'msgpack' },
  { engine: 'uws', encoding: 'msgpack' },
  { engine: 'ws', encoding: 'json' },
]

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
    hello?: Parameters<TestClient['hello']>[1],
    encoding?: Encoding,
  ): Promise<TestClient>
}

export const tokenOf = (claims: Partial<TokenClaims> = {}, ttlSeconds = 600): Promise<string> =>
  mintToken(SECRET, { sub: 'ana', ...claims }, { ttlSeconds })

/** A real server on a database of its own, without rate limits unless `env` sets them; closed at the end of `t`. */
export async function testServer(
  t: Test,
  env: Environment = {},
  database?: { url: string },
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
  const open = (encoding?: Encoding) => TestClient.open(server.url, encoding)
  return {
    ...server,
    http: server.url.replace('ws:', 'http:').replace('/ws', ''),
    databaseUrl: own.url,
    pool: (own as Awaited<ReturnType<typeof testDatabase>>).pool,
    token: tokenOf,
    open,
    async connect(claims, hello, encoding) {
      const client = await open(encoding)
      t.teardown(() => client.socket.terminate())
      await client.hello(await tokenOf(claims), hello)
      return client
    },
  }
}
