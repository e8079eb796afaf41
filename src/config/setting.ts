/** One row of the table of settings: what `--help`, the README and every complaint about a value are made from. */
export interface Setting<T> {
  /** The environment variable. */
  readonly env: string
  /** What a bare number counts; empty where there is nothing to count. */
  readonly unit: 'ms' | 'bytes' | ''
  readonly fallback: T
  /** The default as a person reads it. */
  readonly shown: string
  /** The range or the values, as a person reads them. */
  readonly allowed: string
  /** One line: what it does. */
  readonly meaning: string
  /** A secret is never repeated in a message. */
  readonly secret: boolean
  /** Throws an `Error` whose message continues a sentence that begins with the setting's name. */
  readonly parse: (text: string) => T
}

/** A whole number from `min` to `max`. */
export function integer(
  env: string,
  unit: Setting<number>['unit'],
  fallback: number,
  [min, max]: readonly [min: number, max: number],
  meaning: string,
): Setting<number> {
  return {
    env,
    unit,
    fallback,
    shown: withSize(fallback, unit),
    allowed: `${min} to ${max}`,
    meaning,
    secret: false,
    parse(text) {
      const value = Number(text)
      if (!/^\d{1,15}$/.test(text)) throw new Error('is not a whole number')
      if (value < min) throw new Error(`is below ${min}`)
      if (value > max) throw new Error(`is above ${max}`)
      return value
    },
  }
}

/** One of a few words. */
export function choice<const Word extends string>(
  env: string,
  words: readonly Word[],
  fallback: NoInfer<Word>,
  meaning: string,
): Setting<Word> {
  return {
    env,
    unit: '',
    fallback,
    shown: fallback,
    allowed: words.join(', '),
    meaning,
    secret: false,
    parse(text) {
      const word = words.find((candidate) => candidate === text)
      if (word === undefined) throw new Error('is none of the known words')
      return word
    },
  }
}

interface Described<T> {
  readonly allowed: string
  readonly shown?: string
  readonly secret?: boolean
  readonly parse: (text: string) => T
}

/** Anything else, with its own parser. */
export function parsed<T>(
  env: string,
  fallback: NoInfer<T>,
  meaning: string,
  { allowed, shown, secret = false, parse }: Described<T>,
): Setting<T> {
  return {
    env,
    unit: '',
    fallback,
    shown: shown ?? (typeof fallback === 'string' ? fallback : ''),
    allowed,
    meaning,
    secret,
    parse,
  }
}

const SIZES: Record<Setting<number>['unit'], readonly (readonly [step: number, name: string])[]> = {
  ms: [
    [86_400_000, 'd'],
    [60_000, 'min'],
    [1000, 's'],
  ],
  bytes: [
    [1 << 20, 'MiB'],
    [1 << 10, 'KiB'],
  ],
  '': [],
}

function withSize(value: number, unit: Setting<number>['unit']): string {
  const size = SIZES[unit].find(([step]) => value >= step && value % step === 0)
  return size ? `${value} (${value / size[0]} ${size[1]})` : String(value)
}
