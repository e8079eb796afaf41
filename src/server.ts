import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../protocol/v1/limits.ts'
import { devSecret } from './access/dev-secret.ts'
import { mintToken } from './access/mint-token.ts'
import { hasModules } from './access/policy.ts'
import { UserLimits } from './access/rate-limit.ts'
import { createVerifier } from './access/verify-token.ts'
import { createCatalogue } from './catalogue/catalogue.ts'
import type { Services } from './commands/command.ts'
import { accept, ackOf, submit } from './commands/publish.ts'
import type { Config } from './config.ts'
import { startEmbedded } from './db/embedded.ts'
import { migrate } from './db/migrate.ts'
import { createPool, durabilityGaps } from './db/pool.ts'
import { Hub } from './fanout/hub.ts'
import type { Publish } from './http/publish.ts'
import { createRouter } from './http/router.ts'
import type { LogEvent } from './log/event.ts'
import { Log } from './log/log.ts'
import { createLogger, type Logger } from './ops/logger.ts'
import { createMetrics, type Metrics } from './ops/metrics.ts'
import { VERSION } from './ops/version.ts'
import { Sessions } from './session/sessions.ts'
import { chooseEngine } from './transport/engine.ts'
import type { Encoded, HttpRequest, HttpResponse, Transport } from './transport/transport.ts'

/** A running server. */
export interface Server {
  /** The port that is listened on. */
  readonly port: number
  /** The WebSocket endpoint. */
  readonly url: string
  /** A command for a shell that opens the log's database; `undefined` where DATABASE_URL names it. */
  readonly psql: string | undefined
  /** In development mode: makes tokens. */
  readonly dev: boolean
  /** Says goodbye to every session, writes what waits, and ends what was started, in reverse order. */
  close(): Promise<void>
}

const PATH = '/ws'

/**
 * The composition root: starts everything, bottom up. If something does not start, what was started is closed again and
 * the error says what to do.
 */
export async function startServer(config: Config, given: { readonly log?: Logger } = {}): Promise<Server> {
  const logger = given.log ?? createLogger(config.logLevel)
  const closers: (() => unknown)[] = []
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) {
      try {
        await closer()
      } catch (error) {
        logger.error({ err: error }, 'something did not end in order; the rest is ended all the same')
      }
    }
  }
  try {
    return await start(config, logger, closers, close)
  } catch (error) {
    await close()
    throw error
  }
}

async function start(
  config: Config,
  logger: Logger,
  closers: (() => unknown)[],
  close: () => Promise<void>,
): Promise<Server> {
  const metrics = createMetrics()
  closers.push(() => metrics.close())
  const secret = config.dev ? await devSecret(config.dataDir) : config.jwtSecret
  const verify = createVerifier({
    secret,
    jwksUrl: config.jwksUrl,
    issuer: config.jwtIssuer,
    audience: config.jwtAudience,
    tenantId: config.tenantId,
    log: logger,
  })
  const listen = await chooseEngine(config.engine)

  const database = await openDatabase(config, logger, closers)
  const { pool } = database

  // The hub and the transport need each other; the hub's half is known first.
  let transport: Transport | undefined
  const hub = new Hub({ publish: (topic: string, frame: Encoded) => transport?.publish(topic, frame) })
  let sessions: Sessions | undefined
  const log = await Log.open({
    pool,
    log: logger,
    windowMs: config.windowMs,
    windowBytes: config.windowBytes,
    publishTimeoutMs: config.publishTimeoutMs,
    headCheckMs: config.headCheckMs,
    emit: (events) => {
      // The acks of a batch go out before its events: uWebSockets.js ends the cork of a socket, and with it the joining
      // of writes, when it finds published messages that wait.
      sessions?.flush()
      deliver(events, hub, metrics)
    },
    // Clients that come back find that their position is of another log, and get a refresh.
    reset: () => sessions?.endAll('the log is another one', config.drainMs),
    measured: (events, seconds) => {
      metrics.eventsAppended += events
      metrics.appendEvents.observe(events)
      metrics.appendSeconds.observe(seconds)
    },
  })
  closers.push(() => log.close())

  const catalogue = createCatalogue({ unknownTypes: config.unknownTypes, hasModules })
  const services: Services = {
    log,
    hub,
    catalogue,
    verify,
    metrics,
    limits: {
      replayMaxEvents: config.replayMaxEvents,
      replayMaxAgeMs: config.replayMaxAgeMs,
      maxChannelsPerSession: config.maxChannelsPerSession,
      maxUsersPerChannel: config.maxUsersPerChannel,
      replayPageBytes: Math.min(MAX_REPLAY_PAGE_BYTES, config.sendBufferBytes / 4),
      maxReplyBytes: Math.min(MAX_REPLY_BYTES, config.sendBufferBytes / 2),
    },
  }
  sessions = new Sessions({
    services,
    logger,
    greeting: {
      heartbeat: { interval: config.heartbeatMs, timeout: config.heartbeatTimeoutMs },
      limits: {
        frameBytes: config.maxFrameBytes,
        depth: LIMITS.maxDepth,
        elements: LIMITS.maxElements,
        channels: config.maxChannelsPerSession,
        replayEvents: config.replayMaxEvents,
      },
      features: [],
      server: { version: VERSION, node: randomBytes(4).toString('hex') },
    },
    helloTimeoutMs: config.helloTimeoutMs,
    expiringNoticeMs: config.expiringNoticeMs,
    rateLimits: config.rateLimits,
  })
  closers.push(() => sessions.close())

  const stopping = new AbortController()
  const stopped = stopping.signal
  // The engine is known only once the transport listens, and the router only before.
  let router: ((request: HttpRequest) => Promise<HttpResponse>) | undefined
  const listening = await listen(
    {
      host: config.host,
      port: config.port,
      path: PATH,
      maxFrameBytes: config.maxFrameBytes,
      maxBodyBytes: config.maxBodyBytes,
      sendBufferBytes: config.sendBufferBytes,
      allowedOrigins: config.allowedOrigins,
      maxConnections: config.maxConnections,
      maxConnectionsPerIp: config.maxConnectionsPerIp,
      handshakeTimeoutMs: config.handshakeTimeoutMs,
    },
    { opened: (socket) => sessions.open(socket), request: (request) => router!(request) },
  )
  transport = listening
  const { engine, port } = listening
  closers.push(() => listening.close())
  router = createRouter({
    engine,
    path: PATH,
    postgresVersion: () => database.version,
    databaseUp: () => log.reachable,
    stopping: () => stopped.aborted,
    verify,
    publish: publisher(services, config.rateLimits && new UserLimits(config.rateLimits)),
    maxFrameBytes: config.maxFrameBytes,
    feed: log,
    longPollMs: config.longPollMs,
    stopped,
    devTokens: config.dev ? { host: config.host, mint: minter(config, secret!) } : undefined,
    allowedOrigins: config.allowedOrigins,
    metrics,
    log: logger,
  })
  watch(metrics, { engine, log, hub, sessions, pool })
  // First of all: nobody new, and everybody here is told where to go.
  closers.push(async () => {
    stopping.abort()
    listening.stopListening()
    // What has been accepted is stored and acknowledged before the goodbye.
    await Promise.race([log.closeAppends(), sleep(FLUSH_WAIT_MS)])
    sessions.endAll('the server is shutting down', config.drainMs)
    await until(() => listening.connections() === 0, CLOSE_WAIT_MS)
  })

  const host = config.host.includes(':') ? `[${config.host}]` : config.host
  const url = `ws://${host}:${port}${PATH}`
  logger.info({ url, engine, dev: config.dev, version: VERSION, pid: process.pid }, 'listening')
  let closing: Promise<void> | undefined
  return {
    port,
    url,
    psql: database.psql,
    dev: config.dev,
    close: () => {
      closing ??= close()
      return closing
    },
  }
}

/** What a replay hands to a socket in one go, in bytes. */
const MAX_REPLAY_PAGE_BYTES = 128 * 1024
/** The events of one reply, in bytes. */
const MAX_REPLY_BYTES = 256 * 1024
/** How long the goodbyes may take to leave. */
const CLOSE_WAIT_MS = 2_000
const FLUSH_WAIT_MS = 2_000

async function openDatabase(config: Config, logger: Logger, closers: (() => unknown)[]) {
  let url = config.databaseUrl
  let psql: string | undefined
  if (url === undefined) {
    const embedded = await startEmbedded({ dataDir: config.dataDir, log: logger })
    closers.push(() => embedded.stop())
    url = embedded.url
    psql = embedded.psql
  }
  await migrate(url, logger)
  const pool = createPool({ url, log: logger, max: config.dbPoolSize })
  closers.push(() => pool.end())
  for (const gap of await durabilityGaps(pool)) logger.warn(gap)
  const { rows } = await pool.query<{ server_version: string }>('show server_version')
  return { pool, psql, version: rows[0]?.server_version }
}

async function until(condition: () => boolean, waitMs: number): Promise<void> {
  const end = Date.now() + waitMs
  while (!condition() && Date.now() < end) await sleep(10)
}

function deliver(events: readonly LogEvent[], hub: Hub, metrics: Metrics): void {
  for (const event of events) if (hub.deliver(event)) metrics.eventsFannedOut++
  metrics.deliverySeconds.observe(Math.max(0, Date.now() - events.at(-1)!.ts) / 1000)
}

/** `POST /v1/publish`. The rate limits are those of one socket, for each user; services have none. */
function publisher(services: Services, limits: UserLimits | undefined): Publish {
  return (claims, request) =>
    new Promise((resolve, reject) => {
      if (claims.role !== 'service' && claims.role !== 'admin') limits?.use(claims.sub, request.type)
      const draft = accept(claims, request, services)
      submit({ events: [draft] }, services, (outcome) => {
        if (outcome.ok) resolve(ackOf(outcome))
        else reject(outcome.error)
      })
    })
}

function minter({ jwtIssuer, jwtAudience, tenantId }: Config, secret: string) {
  return (claims: Parameters<typeof mintToken>[1], ttlSeconds: number) =>
    mintToken(secret, { tenantId, ...claims }, { ttlSeconds, issuer: jwtIssuer, audience: jwtAudience })
}

interface Watched {
  readonly engine: string
  readonly log: Log
  readonly hub: Hub
  readonly sessions: Sessions
  readonly pool: { readonly totalCount: number }
}

function watch(metrics: Metrics, { engine, log, hub, sessions, pool }: Watched): void {
  metrics.watch({
    connections: () => ({ engine, ...sessions.byEncoding() }),
    channels: () => hub.channels,
    subscriptions: () => hub.subscriptions,
    logHead: () => log.position + log.lag,
    tailLagEvents: () => log.lag,
    tailLagSeconds: () => log.lagMs / 1000,
    windowEvents: () => log.window.size,
    windowBytes: () => log.window.bytes,
    appendQueue: () => log.waiting,
    databaseConnections: () => pool.totalCount,
    databaseUp: () => (log.reachable ? 1 : 0),
  })
}
