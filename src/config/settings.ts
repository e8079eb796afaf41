import { DEFAULT_RATE_LIMITS, parseRateLimits, type RateLimits } from './rate-limits.ts'
import { choice, integer, parsed, type Setting } from './setting.ts'

const KIB = 1 << 10
const MIB = 1 << 20
const SECOND = 1000
const MINUTE = 60 * SECOND
const DAY = 24 * 60 * MINUTE

/** RFC 8725 §3.5 and RFC 7518 §3.2: a key for HS256 has at least the 256 bits of the hash. */
const MIN_SECRET_BYTES = 32

/** Every setting, in the order in which `--help` and the README list them. */
export const SETTINGS = {
  port: integer('PORT', '', 3000, [0, 65_535], 'Port for WebSocket and HTTP; 0 takes any free one.'),
  host: parsed('HOST', '127.0.0.1', 'Address to listen on.', {
    allowed: 'an IP address or host name; in development mode loopback, or anything by --host',
    parse: hostName,
  }),
  databaseUrl: parsed<string | undefined>('DATABASE_URL', undefined, 'The PostgreSQL (14 or newer) to use.', {
    shown: 'embedded PostgreSQL in DATA_DIR',
    allowed: 'postgres://USER:PASSWORD@HOST:PORT/DATABASE',
    secret: true,
    parse: databaseUrl,
  }),
  dataDir: parsed('DATA_DIR', '.bitacora', 'Where the embedded PostgreSQL and the development secret live.', {
    allowed: 'a directory; made when it is not there',
    parse: withoutNul,
  }),
  jwtSecret: parsed<string | undefined>('JWT_SECRET', undefined, 'Secret of HS256 tokens.', {
    allowed: `at least ${MIN_SECRET_BYTES} bytes; not together with JWKS_URL`,
    secret: true,
    parse: secret,
  }),
  jwksUrl: parsed<string | undefined>(
    'JWKS_URL',
    undefined,
    'Where the public keys of tokens are published.',
    {
      allowed: 'an http(s) URL; not together with JWT_SECRET',
      parse: webUrl,
    },
  ),
  jwtIssuer: parsed<string | undefined>('JWT_ISSUER', undefined, 'The `iss` that every token must have.', {
    shown: 'not checked',
    allowed: 'text',
    parse: withoutNul,
  }),
  jwtAudience: parsed<string | undefined>(
    'JWT_AUDIENCE',
    undefined,
    'The `aud` that every token must have.',
    {
      shown: 'not checked',
      allowed: 'text',
      parse: withoutNul,
    },
  ),
  tenantId: parsed<string | undefined>('TENANT_ID', undefined, 'Refuse tokens whose `tenantId` is another.', {
    shown: 'not checked',
    allowed: 'text',
    parse: withoutNul,
  }),
  engine: choice(
    'ENGINE',
    ['auto', 'uws', 'ws'],
    'auto',
    'WebSocket engine; auto: uws where it loads, else ws.',
  ),
  allowedOrigins: parsed<ReadonlySet<string> | undefined>(
    'ALLOWED_ORIGINS',
    undefined,
    'Origins of browser pages that may connect and call the HTTP routes.',
    {
      shown: 'all',
      allowed: 'origins separated by commas, like https://app.example.com; or *',
      parse: origins,
    },
  ),
  heartbeatMs: integer(
    'HEARTBEAT_MS',
    'ms',
    25_000,
    [100, 10 * MINUTE],
    'Time between two pings to a client.',
  ),
  heartbeatTimeoutMs: integer(
    'HEARTBEAT_TIMEOUT_MS',
    'ms',
    10_000,
    [100, 10 * MINUTE],
    'Silence after a ping that ends a connection (4510).',
  ),
  helloTimeoutMs: integer(
    'HELLO_TIMEOUT_MS',
    'ms',
    5000,
    [50, 10 * MINUTE],
    'Time from the connection to its `hello` (4408); a minute in development mode, where people type it.',
  ),
  handshakeTimeoutMs: integer(
    'HANDSHAKE_TIMEOUT_MS',
    'ms',
    10_000,
    [100, 10 * MINUTE],
    'Time to send a complete HTTP request head.',
  ),
  longPollMs: integer(
    'LONG_POLL_MS',
    'ms',
    30_000,
    [0, 10 * MINUTE],
    'Longest wait that `GET /v1/events` grants.',
  ),
  expiringNoticeMs: integer(
    'EXPIRING_NOTICE_MS',
    'ms',
    60_000,
    [0, DAY],
    'How long before the end of its token a client gets `expiring`.',
  ),
  publishTimeoutMs: integer(
    'PUBLISH_TIMEOUT_MS',
    'ms',
    5000,
    [100, 10 * MINUTE],
    'Time for a commit before a publish is answered with UNAVAILABLE.',
  ),
  drainMs: integer(
    'DRAIN_MS',
    'ms',
    5000,
    [0, 10 * MINUTE],
    'Span over which reconnects are spread at shutdown.',
  ),
  maxFrameBytes: integer(
    'MAX_FRAME_BYTES',
    'bytes',
    64 * KIB,
    [1 * KIB, 16 * MIB],
    'Largest WebSocket message from a client, and largest event over HTTP.',
  ),
  maxBodyBytes: integer(
    'MAX_BODY_BYTES',
    'bytes',
    1 * MIB,
    [1 * KIB, 64 * MIB],
    'Largest HTTP request body.',
  ),
  sendBufferBytes: integer(
    'SEND_BUFFER_BYTES',
    'bytes',
    1 * MIB,
    [4 * KIB, 1024 * MIB],
    'What one socket may leave unread before it is closed (4508).',
  ),
  replayMaxEvents: integer(
    'REPLAY_MAX_EVENTS',
    '',
    10_000,
    [0, 10_000_000],
    'Most events that a resume brings; beyond: `refresh`.',
  ),
  replayMaxAgeMs: integer(
    'REPLAY_MAX_AGE_MS',
    'ms',
    7 * DAY,
    [0, 3650 * DAY],
    'Oldest event that a resume brings; beyond: `refresh`.',
  ),
  windowMs: integer(
    'WINDOW_MS',
    'ms',
    10 * MINUTE,
    [0, DAY],
    'How much of the log is kept in memory, by time.',
  ),
  windowBytes: integer(
    'WINDOW_BYTES',
    'bytes',
    64 * MIB,
    [0, 65_536 * MIB],
    'How much of the log is kept in memory, by size.',
  ),
  headCheckMs: integer(
    'HEAD_CHECK_MS',
    'ms',
    250,
    [10, MINUTE],
    'How often the database is asked for events that nobody announced.',
  ),
  dbPoolSize: integer('DB_POOL_SIZE', '', 8, [2, 1000], 'Connections to PostgreSQL.'),
  rateLimits: parsed<RateLimits | undefined>(
    'RATE_LIMITS',
    DEFAULT_RATE_LIMITS,
    'Requests of one socket per minute, by event type or op; the rest under `*`.',
    {
      shown: shownLimits(),
      allowed:
        'off; or JSON laid over the default, with a number per minute or {"limit", "windowMs"} per name',
      parse: parseRateLimits,
    },
  ),
  unknownTypes: choice(
    'UNKNOWN_TYPES',
    ['allow', 'refuse'],
    'allow',
    'What happens to event types that are not in the catalogue.',
  ),
  maxConnections: integer('MAX_CONNECTIONS', '', 100_000, [1, 10_000_000], 'Open WebSockets in total.'),
  maxConnectionsPerIp: integer(
    'MAX_CONNECTIONS_PER_IP',
    '',
    1000,
    [1, 10_000_000],
    'Open WebSockets of one address.',
  ),
  maxUsersPerChannel: integer(
    'MAX_USERS_PER_CHANNEL',
    '',
    100,
    [1, 10_000_000],
    'Users in one channel, where its namespace has a limit (CHANNEL_FULL).',
  ),
  maxChannelsPerSession: integer(
    'MAX_CHANNELS_PER_SESSION',
    '',
    256,
    [1, 100_000],
    'Channels of one connection (TOO_MANY_CHANNELS).',
  ),
  logLevel: choice(
    'LOG_LEVEL',
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
    'info',
    'The least important line that is logged.',
  ),
} satisfies Record<string, Setting<unknown>>

export type SettingName = keyof typeof SETTINGS

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[]

/** The command line option of a setting: `maxFrameBytes` is `--max-frame-bytes`. */
export function optionOf(name: SettingName): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** Everything but the secret that tokens are signed with, which `ps` would show to the whole machine. */
export function hasOption(name: SettingName): boolean {
  return name !== 'jwtSecret'
}

function shownLimits(): string {
  const { rules } = DEFAULT_RATE_LIMITS
  return JSON.stringify(Object.fromEntries(Object.entries(rules).map(([name, { limit }]) => [name, limit])))
}

function withoutNul(text: string): string {
  if (text.includes('\0')) throw new Error('contains a NUL')
  return text
}

function hostName(text: string): string {
  if (!/^[A-Za-z0-9.:%_-]{1,255}$/.test(text)) throw new Error('is neither an address nor a host name')
  return text
}

function databaseUrl(text: string): string {
  const url = urlOf(text)
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') {
    throw new Error('is a URL, but does not begin with postgres://')
  }
  return text
}

function secret(text: string): string {
  const bytes = Buffer.byteLength(text)
  if (bytes < MIN_SECRET_BYTES) {
    throw new Error(`has ${bytes} bytes, which can be guessed (make one with: openssl rand -base64 48)`)
  }
  return text
}

function webUrl(text: string): string {
  const { protocol } = urlOf(text)
  if (protocol !== 'http:' && protocol !== 'https:') throw new Error('is a URL, but not of the web')
  return text
}

function origins(text: string): ReadonlySet<string> | undefined {
  const given = text.split(',').map((origin) => origin.trim())
  if (given.length === 1 && given[0] === '*') return undefined
  for (const origin of given) {
    // What a browser sends in `Origin` is compared byte for byte, so another spelling would never match.
    if (urlOf(origin).origin !== origin)
      throw new Error(`names "${origin}", which no browser sends as an origin`)
  }
  return new Set(given)
}

function urlOf(text: string): URL {
  try {
    return new URL(text)
  } catch (cause) {
    throw new Error('is not a URL', { cause })
  }
}
