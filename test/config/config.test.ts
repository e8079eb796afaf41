import t from 'tap'
import { optionOf, SETTING_NAMES, SETTINGS } from '../../src/config/settings.ts'
import { ConfigError, type Environment, type Overrides, readConfig, warningsOf } from '../../src/config.ts'

const SECRET = 'x'.repeat(32)

function problemsOf(env: Environment, overrides?: Overrides): readonly string[] {
  try {
    readConfig(env, overrides)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

t.test('an empty environment is a development server on loopback', async (t) => {
  const config = readConfig({})
  t.match(config, { port: 3000, host: '127.0.0.1', dev: true, dataDir: '.bitacora', engine: 'auto' })
  t.match(config, { heartbeatMs: 25_000, helloTimeoutMs: 60_000, maxFrameBytes: 65_536, windowMs: 600_000 })
  t.equal(config.databaseUrl, undefined)
  t.equal(config.allowedOrigins, undefined)
  t.strictSame(config.rateLimits?.rules['message:send'], { limit: 60, windowMs: 60_000 })
})

t.test('every default is one of the values it allows', async (t) => {
  for (const name of SETTING_NAMES) {
    const { fallback, parse } = SETTINGS[name]
    if (typeof fallback === 'string' || typeof fallback === 'number') {
      t.equal((parse as (text: string) => unknown)(String(fallback)), fallback, name)
    }
  }
})

t.test('an option wins over the environment, and the environment over the default', async (t) => {
  t.equal(readConfig({ PORT: '4000' }).port, 4000)
  t.equal(readConfig({ PORT: '4000' }, { port: '5000' }).port, 5000)
  t.equal(readConfig({ PORT: '4000' }, { port: 0 }).port, 0)
  t.equal(readConfig({ PORT: '4000' }, { port: undefined }).port, 4000)
})

t.test('an empty variable means not set', async (t) => {
  t.equal(readConfig({ PORT: '', DATABASE_URL: '' }).port, 3000)
})

t.test('an empty secret is not taken for development mode', async (t) => {
  t.match(problemsOf({ JWT_SECRET: '' }), [/^JWT_SECRET is empty; allowed: at least 32 bytes/])
  t.match(problemsOf({ JWKS_URL: '' }), [/^JWKS_URL is empty/])
})

t.test('variables that are not settings are nobody’s business', async (t) => {
  t.strictSame(problemsOf({ BITACORA_PORT: 'x', HEARTBEAT: 'y' }), [])
})

t.test('every problem is told at once, with which, why and what is allowed', async (t) => {
  const problems = problemsOf({ PORT: '70000', ENGINE: 'turbo', HEARTBEAT_MS: '1', MAX_FRAME_BYTES: '64k' })
  t.strictSame(problems.toSorted(), [
    'ENGINE "turbo" is none of the known words; allowed: auto, uws, ws',
    'HEARTBEAT_MS "1" is below 100; allowed: 100 to 600000',
    'MAX_FRAME_BYTES "64k" is not a whole number; allowed: 1024 to 16777216',
    'PORT "70000" is above 65535; allowed: 0 to 65535',
  ])
})

t.test('a complaint about an option names the option', async (t) => {
  t.match(problemsOf({}, { maxFrameBytes: '-1' }), [/^--max-frame-bytes "-1" is not a whole number/])
  t.equal(optionOf('maxConnectionsPerIp'), '--max-connections-per-ip')
})

t.test('numbers are plain decimal digits', async (t) => {
  for (const text of ['1e3', '0x10', ' 3000', '3000.5', '-0', 'Infinity', '９']) {
    t.equal(problemsOf({ PORT: text }).length, 1, text)
  }
})

t.test('secrets', async (t) => {
  t.test('one of 32 bytes ends development mode', async (t) => {
    t.match(readConfig({ JWT_SECRET: SECRET }), { jwtSecret: SECRET, dev: false })
  })
  t.test('a short one is refused with the command that makes a good one, and is not repeated', async (t) => {
    const [problem] = problemsOf({ JWT_SECRET: 'hunter2' })
    t.match(problem, /^JWT_SECRET has 7 bytes, .*openssl rand -base64 48/)
    t.notMatch(problem, /hunter2/)
  })
  t.test('a short one is not taken for development mode', async (t) => {
    t.equal(problemsOf({ JWT_SECRET: 'hunter2', HOST: '0.0.0.0' }).length, 1)
  })
  t.test('the password of a bad database URL is not repeated', async (t) => {
    t.notMatch(problemsOf({ DATABASE_URL: 'mysql://u:hunter2@h/d' })[0], /hunter2/)
  })
  t.test('a secret and a key set together are refused', async (t) => {
    const env = { JWT_SECRET: SECRET, JWKS_URL: 'https://id.example.com/jwks' }
    t.match(problemsOf(env), [/^JWT_SECRET and JWKS_URL are both set; allowed: one of them/])
  })
  t.test('a key set without an audience is worth a warning', async (t) => {
    const env = { JWKS_URL: 'https://id.example.com/jwks' }
    t.match(warningsOf(readConfig(env)), [/JWT_AUDIENCE/])
    t.strictSame(warningsOf(readConfig({ ...env, JWT_AUDIENCE: 'bitacora' })), [])
    t.equal(readConfig(env).dev, false)
  })
})

t.test('development mode is opened to the network by --host alone', async (t) => {
  t.match(problemsOf({ HOST: '0.0.0.0' }), [
    /development mode.*allowed: a loopback address, or --host 0\.0\.0\.0/,
  ])
  t.equal(readConfig({}, { host: '0.0.0.0' }).dev, true)
  t.equal(readConfig({ HOST: '0.0.0.0', JWT_SECRET: SECRET }).host, '0.0.0.0')
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost']) {
    t.equal(readConfig({ HOST: host }).host, host)
  }
})

t.test('ALLOWED_ORIGINS', async (t) => {
  const { allowedOrigins } = readConfig({ ALLOWED_ORIGINS: 'https://a.example, http://localhost:5173' })
  t.strictSame([...(allowedOrigins ?? [])], ['https://a.example', 'http://localhost:5173'])
  t.equal(readConfig({ ALLOWED_ORIGINS: '*' }).allowedOrigins, undefined)
  for (const text of [
    'https://a.example/',
    'a.example',
    'https://a.example:443',
    'https://a.example,*',
    'null',
  ]) {
    t.equal(problemsOf({ ALLOWED_ORIGINS: text }).length, 1, text)
  }
})

t.test('the send buffer must hold the largest event', async (t) => {
  t.match(problemsOf({ SEND_BUFFER_BYTES: '65536' }), [
    /^SEND_BUFFER_BYTES 65536 .*at least twice MAX_FRAME_BYTES, which is 131072/,
  ])
})

t.test('RATE_LIMITS', async (t) => {
  t.test('off', async (t) => {
    t.equal(readConfig({ RATE_LIMITS: 'off' }).rateLimits, undefined)
  })
  t.test('is laid over the defaults', async (t) => {
    const text = '{"sync":3,"order_created":{"limit":5,"windowMs":1000},"*":1000}'
    const rules = readConfig({ RATE_LIMITS: text }).rateLimits?.rules
    t.match(rules, {
      sync: { limit: 3, windowMs: 60_000 },
      order_created: { limit: 5, windowMs: 1000 },
      '*': { limit: 1000, windowMs: 60_000 },
      'typing:start': { limit: 120, windowMs: 60_000 },
    })
  })
  t.test('names the bad rule', async (t) => {
    const because: Record<string, RegExp> = {
      on: /is neither "off" nor JSON/,
      '[1]': /is JSON, but not an object/,
      '{"A":1}': /names "A"/,
      '{"__proto__":1}': /names "__proto__"/,
      '{"sync":0}': /for "sync" a limit that is not a whole number/,
      '{"sync":"10"}': /for "sync" neither a number/,
      '{"sync":{"limit":1}}': /for "sync" a windowMs/,
    }
    for (const [text, why] of Object.entries(because)) t.match(problemsOf({ RATE_LIMITS: text }), [why], text)
  })
})

t.test('in development mode there is a minute to type hello, unless it is said otherwise', async (t) => {
  t.equal(readConfig({}).helloTimeoutMs, 60_000)
  t.equal(readConfig({ HELLO_TIMEOUT_MS: '700' }).helloTimeoutMs, 700)
  t.equal(readConfig({ JWT_SECRET: 'a secret of at least thirty-two bytes' }).helloTimeoutMs, 5_000)
})
