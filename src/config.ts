import { isLoopback } from './config/loopback.ts'
import { optionOf, SETTING_NAMES, SETTINGS, type SettingName } from './config/settings.ts'

export { isLoopback } from './config/loopback.ts'
export type { RateLimits, RateRule } from './config/rate-limits.ts'
export type { SettingName } from './config/settings.ts'

type Values = { readonly [Name in SettingName]: ReturnType<(typeof SETTINGS)[Name]['parse']> }

/** What the server was told, checked. Names carry the unit: `…Ms` milliseconds, `…Bytes` bytes. */
export interface Config extends Values {
  /** Development mode: there is neither a secret nor a key set, so a random secret is made and tokens are given away. */
  readonly dev: boolean
}

/** What a command line option said; wins over the environment. */
export type Overrides = { readonly [Name in SettingName]?: string | number | undefined }

/** In development mode people type their `hello`. */
const DEV_HELLO_TIMEOUT_MS = 60_000

export type Environment = Readonly<Record<string, string | undefined>>

/** Every problem of a configuration at once, one per line: which setting, why, and what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

/**
 * The configuration of one server: options over environment over defaults.
 *
 * @throws {ConfigError} with everything that is wrong with it
 */
export function readConfig(env: Environment, overrides: Overrides = {}): Config {
  const { values, problems, bad } = read(SETTING_NAMES, env, overrides)
  // A secret that cannot be used must not be taken for development mode.
  const dev = !(values.jwtSecret || values.jwksUrl || bad.has('jwtSecret') || bad.has('jwksUrl'))
  const typed = dev && given('helloTimeoutMs', env, overrides).text === undefined
  const config = { ...values, dev, ...(typed && { helloTimeoutMs: DEV_HELLO_TIMEOUT_MS }) }
  const all = [...problems, ...contradictions(config, overrides.host !== undefined, bad)]
  if (all.length > 0) throw new ConfigError(all)
  return config
}

/**
 * Some settings, for commands that do not start a server and must not stumble over what concerns only that.
 *
 * @throws {ConfigError}
 */
export function readSettings<Name extends SettingName>(
  names: readonly Name[],
  env: Environment,
  overrides: Overrides = {},
): Pick<Values, Name> {
  const { values, problems } = read(names, env, overrides)
  if (problems.length > 0) throw new ConfigError(problems)
  return values
}

function read<Name extends SettingName>(names: readonly Name[], env: Environment, overrides: Overrides) {
  const problems: string[] = []
  const values: Partial<Record<SettingName, unknown>> = {}
  const bad = new Set<SettingName>()
  for (const name of names) {
    const setting = SETTINGS[name]
    const { source, text } = given(name, env, overrides)
    values[name] = setting.fallback
    if (text === undefined) continue
    try {
      if (text === '') throw new Error('is empty')
      values[name] = setting.parse(text)
    } catch (error) {
      // Setting.parse throws nothing else than the end of this sentence.
      const shown = setting.secret || text === '' ? source : `${source} "${text}"`
      problems.push(`${shown} ${(error as Error).message}; allowed: ${setting.allowed}`)
      bad.add(name)
    }
  }
  return { values: values as Pick<Values, Name>, problems, bad }
}

/** What is allowed, and yet worth a line in the log at the start. */
export function warningsOf(config: Config): readonly string[] {
  if (config.jwksUrl === undefined || config.jwtAudience !== undefined) return []
  return [
    'JWKS_URL without JWT_AUDIENCE: tokens that the issuer made for other applications are accepted too',
  ]
}

function given(name: SettingName, env: Environment, overrides: Overrides) {
  const option = overrides[name]
  if (option !== undefined) return { source: optionOf(name), text: String(option) }
  const source = SETTINGS[name].env
  // An empty variable is how compose files and shells spell "not set". For the two that decide whether this is
  // development mode that would turn a forgotten secret into an open server, so there it is a mistake.
  const text = env[source]
  const meansUnset = text === '' && name !== 'jwtSecret' && name !== 'jwksUrl'
  return { source, text: meansUnset ? undefined : text }
}

/** Settings that are fine alone and wrong together. Only those that could be read themselves are compared. */
function contradictions(config: Config, hostByOption: boolean, bad: ReadonlySet<SettingName>): string[] {
  const problems: string[] = []
  const fine = (...names: SettingName[]) => names.every((name) => !bad.has(name))
  if (config.jwtSecret !== undefined && config.jwksUrl !== undefined) {
    problems.push(
      'JWT_SECRET and JWKS_URL are both set; allowed: one of them, or neither for development mode',
    )
  }
  if (config.dev && fine('host') && !isLoopback(config.host) && !hostByOption) {
    problems.push(
      `HOST "${config.host}" would open development mode, where anybody gets a token, to the network; allowed: ` +
        `a loopback address, or --host ${config.host} to say that it is meant, or JWT_SECRET or JWKS_URL`,
    )
  }
  if (fine('sendBufferBytes', 'maxFrameBytes') && config.sendBufferBytes < 2 * config.maxFrameBytes) {
    problems.push(
      `SEND_BUFFER_BYTES ${config.sendBufferBytes} could not hold the largest event; allowed: at least twice ` +
        `MAX_FRAME_BYTES, which is ${2 * config.maxFrameBytes}`,
    )
  }
  if (fine('heartbeatMs', 'heartbeatTimeoutMs') && config.heartbeatTimeoutMs > config.heartbeatMs) {
    problems.push(
      `HEARTBEAT_TIMEOUT_MS ${config.heartbeatTimeoutMs} is longer than the time between two pings; allowed: at most ` +
        `HEARTBEAT_MS, which is ${config.heartbeatMs}`,
    )
  }
  return problems
}
