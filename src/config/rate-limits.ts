/** At most `limit` requests within any `windowMs`. */
export interface RateRule {
  readonly limit: number
  readonly windowMs: number
}

export interface RateLimits {
  /** By event type, or by op for frames that carry no type; `*` is the rule of everything that is not named. */
  readonly rules: Readonly<Record<string, RateRule>>
}

const MINUTE_MS = 60_000

/** Per socket; the figures of the event catalogue (features.md, row 48). */
export const DEFAULT_RATE_LIMITS: RateLimits = {
  rules: {
    'message:send': { limit: 60, windowMs: MINUTE_MS },
    'typing:start': { limit: 120, windowMs: MINUTE_MS },
    'sync:state': { limit: 10, windowMs: MINUTE_MS },
    sync: { limit: 10, windowMs: MINUTE_MS },
    state: { limit: 10, windowMs: MINUTE_MS },
    '*': { limit: 100, windowMs: MINUTE_MS },
  },
}

const NAME = /^(\*|[a-z][a-z0-9_.:-]{0,63})$/

/** `off`, or a JSON object whose rules are laid over the defaults. Throws an `Error` that names the bad rule. */
export function parseRateLimits(text: string): RateLimits | undefined {
  if (text === 'off') return undefined
  const rules = new Map(Object.entries(DEFAULT_RATE_LIMITS.rules))
  for (const [name, value] of Object.entries(jsonObject(text))) {
    if (!NAME.test(name)) throw new Error(`names "${name}", which is neither an event type, an op nor "*"`)
    rules.set(name, rule(name, value))
  }
  return { rules: Object.fromEntries(rules) }
}

function jsonObject(text: string): object {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new Error('is neither "off" nor JSON', { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error('is JSON, but not an object')
  }
  return value
}

function rule(name: string, value: unknown): RateRule {
  if (typeof value === 'number') return { limit: count(name, 'limit', value), windowMs: MINUTE_MS }
  if (typeof value !== 'object' || value === null) {
    throw new Error(`has for "${name}" neither a number (per minute) nor {"limit", "windowMs"}`)
  }
  const given = value as Record<string, unknown>
  return { limit: count(name, 'limit', given.limit), windowMs: count(name, 'windowMs', given.windowMs) }
}

function count(name: string, field: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 1_000_000_000) {
    throw new Error(`has for "${name}" a ${field} that is not a whole number from 1 to 1000000000`)
  }
  return value
}
