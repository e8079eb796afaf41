/** Random JSON values, and what the limits count in them. */

import fc from 'fast-check'

const edges = fc.constantFrom(
  ...[0x7f, 0xff, 0xffff, 0xffffffff, 2 ** 53 - 1].flatMap((n) => [
    n,
    n + 1,
    n - 1,
    -n,
    -n - 1,
    -n + 1,
    n + 0.5,
  ]),
)
const number = fc.oneof(
  edges,
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.constantFrom('__proto__', 'constructor', 'toString', '', 'null', '\\u0000'),
)

/** What I-JSON can say: well-formed text, doubles, `__proto__` as a key too. */
export const iJson = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 6 }, number, text, fc.boolean(), fc.constant(null), tie('array'), tie('map')),
  array: fc.array(tie('value'), { maxLength: 20 }),
  map: fc
    .array(fc.tuple(text, tie('value')), { maxLength: 20 })
    .map((entries) => Object.fromEntries(entries) as Record<string, unknown>),
})).value

export function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

export function elementsOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return Object.values(value).reduce((sum: number, member) => sum + 1 + elementsOf(member), 0)
}
