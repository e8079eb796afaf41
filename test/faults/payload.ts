import type { Random } from './random.ts'

const TEXTS = [
  '',
  'ñandú',
  '雪 ☃',
  '🦉🦉',
  'line\nline',
  '\u0001\u001f',
  '"quoted" \\ /',
  '\u2028',
  'x'.repeat(200),
]
const NUMBERS = [0, -1, 0.1, 1e21, 5e-324, Number.MAX_SAFE_INTEGER, -(2 ** 31), 1.5e300, 65_536]

/** Any JSON value that both encodings carry, different each time. */
export function drawPayload(random: Random, n: number): unknown {
  return { n, text: random.pick(TEXTS), value: drawValue(random, 3) }
}

/** A payload of about that many bytes. */
export function drawLargePayload(random: Random, n: number, bytes: number): unknown {
  return { n, text: random.pick(['a', 'é', '\n']).repeat(bytes / 2) }
}

function drawValue(random: Random, depth: number): unknown {
  switch (random.weighted({ text: 3, number: 3, flag: 1, none: 1, list: depth, map: depth })) {
    case 'text':
      return random.pick(TEXTS)
    case 'number':
      return random.pick(NUMBERS)
    case 'flag':
      return random.chance(0.5)
    case 'list':
      return Array.from({ length: random.integer(0, 4) }, () => drawValue(random, depth - 1))
    case 'map': {
      const names = random.some(['a', 'b', 'clé', '2', '10', ' ', 'constructor'], random.integer(0, 4))
      return Object.fromEntries(names.map((name) => [name, drawValue(random, depth - 1)]))
    }
    default:
      return null
  }
}
