import fc from 'fast-check'
import { Packr, Unpackr } from 'msgpackr'
import t from 'tap'
import { codecs, ProtocolError, TooDeep } from '../../../protocol/index.ts'
import { decodeMsgpack } from '../../../protocol/v1/msgpack-decode.ts'
import { encodeMsgpack } from '../../../protocol/v1/msgpack-encode.ts'
import { depthOf, elementsOf, iJson } from './values.ts'

const packr = new Packr({ useRecords: false, variableMapSize: true })
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' })

/** msgpackr renames the key __proto__; ours keeps it, as JSON.parse does. */
const shareable = iJson.filter((value) => !JSON.stringify(value).includes('__proto__'))

t.test('another implementation reads what we write', async () => {
  fc.assert(
    fc.property(shareable, (value) => {
      const read = unpackr.unpack(Buffer.from(encodeMsgpack({ value })))
      return JSON.stringify(read) === JSON.stringify({ value })
    }),
  )
})

t.test('we read what another implementation writes', async () => {
  fc.assert(
    fc.property(shareable, (value) => {
      return JSON.stringify(decodeMsgpack(packr.pack({ value }))) === JSON.stringify({ value })
    }),
  )
})

t.test('we write what another implementation writes, numbers apart', async () => {
  const small = fc.integer({ min: -(2 ** 31), max: 2 ** 31 })
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      small,
      fc.string({ unit: 'grapheme', maxLength: 400 }),
      fc.boolean(),
      tie('array'),
      tie('map'),
    ),
    array: fc.array(tie('value'), { maxLength: 20 }),
    map: fc.dictionary(fc.string({ minLength: 1 }), tie('value'), { maxKeys: 20 }),
  })).value
  fc.assert(
    fc.property(value, (value) => {
      if (JSON.stringify(value).includes('__proto__')) return true
      return Buffer.from(encodeMsgpack({ value })).equals(packr.pack({ value }))
    }),
  )
})

t.test('what we write we read, to the last bit', async () => {
  fc.assert(
    fc.property(iJson, (value) => {
      const read = decodeMsgpack(encodeMsgpack({ value }), { maxDepth: 1000, maxElements: 1e6 })
      return JSON.stringify(read) === JSON.stringify({ value })
    }),
  )
})

t.test('limits are exact', async () => {
  fc.assert(
    fc.property(iJson, fc.nat(6), fc.nat(20), (value, maxDepth, maxElements) => {
      const bytes = encodeMsgpack({ value })
      const within = depthOf({ value }) <= maxDepth && elementsOf({ value }) <= maxElements
      try {
        decodeMsgpack(bytes, { maxDepth, maxElements })
        return within
      } catch (error) {
        return error instanceof TooDeep && !within
      }
    }),
  )
})

t.test('every proper prefix of a frame is refused', async (t) => {
  const bytes = codecs.msgpack.encode({
    op: 'publish',
    id: 70_000,
    channel: 'room:a',
    type: 'note',
    payload: [1.5, -200, 2 ** 40, 'ñ'.repeat(40), { a: null }],
  }) as Uint8Array
  for (let length = 0; length < bytes.length; length++) {
    t.throws(() => decodeMsgpack(bytes.subarray(0, length)), { code: 'BAD_FRAME' }, `${length} bytes`)
  }
})

t.test('__proto__ is a key like others, and no prototype', async (t) => {
  const value = JSON.parse('{"a":{"__proto__":{"admin":true}}}')
  const read = decodeMsgpack(encodeMsgpack(value)) as { a: { admin?: boolean } }
  t.equal(Object.getPrototypeOf(read.a), Object.prototype)
  t.equal(read.a.admin, undefined)
  t.strictSame(Object.keys(read.a), ['__proto__'])
})

t.test('a long frame leaves the frames before it as they were', async (t) => {
  const first = encodeMsgpack({ op: 'ping' }) as Uint8Array
  const copy = Buffer.from(first)
  const long = encodeMsgpack({ text: 'é'.repeat(100_000), after: [1, 2, 3] })
  const last = encodeMsgpack({ op: 'pong' })
  t.ok(copy.equals(first))
  t.same(decodeMsgpack(long), { text: 'é'.repeat(100_000), after: [1, 2, 3] })
  t.same(decodeMsgpack(last), { op: 'pong' })
})

t.test('what cannot be encoded throws and leaves nothing behind', async (t) => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, 1n, () => 0]) {
    t.throws(() => encodeMsgpack({ a: 'before', bad }), TypeError)
    t.same(decodeMsgpack(encodeMsgpack({ op: 'ping' })), { op: 'ping' })
  }
})

t.test('members that are undefined are left out, however many there are', async (t) => {
  t.same(decodeMsgpack(encodeMsgpack({ a: 1, b: undefined, c: 3 })), { a: 1, c: 3 })
  const wide = Object.fromEntries(
    Array.from({ length: 40 }, (_, i) => [`k${i}`, i % 2 === 0 ? i : undefined]),
  )
  t.same(decodeMsgpack(encodeMsgpack(wide)), JSON.parse(JSON.stringify(wide)))
})

t.test('short strings that hash alike are not taken for one another', async (t) => {
  const strings = Array.from({ length: 5000 }, (_, i) => `k${i}`)
  const limits = { maxDepth: 3, maxElements: 1e6 }
  for (let round = 0; round < 2; round++) {
    t.same(decodeMsgpack(encodeMsgpack({ strings }), limits), { strings })
  }
})

t.test('a refused message leaves the next one unharmed', async (t) => {
  t.throws(() => decodeMsgpack(new Uint8Array([0x81, 0xa1])), ProtocolError)
  t.same(decodeMsgpack(encodeMsgpack({ op: 'ping' })), { op: 'ping' })
})
