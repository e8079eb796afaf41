import fc from 'fast-check'
import t from 'tap'
import {
  channelOf,
  channelOfParts,
  decodeId,
  dmOf,
  encodeId,
  parseChannel,
  partsOf,
  withModule,
} from '../../../protocol/index.ts'
import { CHANNEL_PATTERN } from '../../../protocol/v1/channel.ts'

const raw = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  .filter((id) => encodeId(id).length <= 90)

t.test('every id has one spelling, and it reads back', async () => {
  fc.assert(
    fc.property(raw, raw, (one, other) => {
      if (`${one}${other}`.includes('\0')) return true
      const channel = parseChannel(channelOfParts('role', one, other))
      const [a, b] = channel === undefined ? [] : partsOf(channel)
      return a === one && b === other && (encodeId(one) === encodeId(other)) === (one === other)
    }),
  )
})

t.test('what parses is what is written for its parts: no second spelling', async () => {
  const unit = fc.constantFrom(...'aA09.%~+@/:é'.split(''), '%41', '%C3%A9', '%7E', '%e9', '~')
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 6 }), (units) => {
      const channel = parseChannel(`room:${units.join('')}`)
      if (channel === undefined) return true
      const written = channelOfParts('room', ...partsOf(channel))
      return (channel.module === undefined ? written : withModule(written, channel.module)) === channel.text
    }),
    { numRuns: 5000 },
  )
})

t.test('two users have one direct-message channel', async () => {
  fc.assert(fc.property(raw, raw, (a, b) => /\0/.test(a + b) || dmOf(a, b) === dmOf(b, a)))
})

t.test('the published pattern and the parser agree on what needs no decoding', async () => {
  const pattern = new RegExp(CHANNEL_PATTERN)
  const unit = fc.constantFrom(...'azAZ09._+@=-:/! é\n'.split(''))
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 8 }), (units) => {
      const text = `n${units.join('')}`
      return pattern.test(text) === (parseChannel(text) !== undefined)
    }),
    { numRuns: 5000 },
  )
})

t.test('a module goes behind the scope, also where another module was', async (t) => {
  t.equal(withModule('shop:s_1', 'orders'), 'shop:s_1/orders')
  t.equal(withModule('shop:s_1/chat', 'orders'), 'shop:s_1/orders')
})

t.test('what cannot be a channel is refused where it is made', async (t) => {
  for (const make of [
    () => channelOf('room', ''),
    () => channelOf('Room', 'a'),
    () => channelOf('room', 'x'.repeat(201)),
    () => channelOf('room', '\0'),
    () => channelOf('room', '\ud800'),
    () => channelOf('room', 'a', 'Orders'),
    () => channelOfParts('role', 'w', ''),
    () => dmOf('a', 'é'.repeat(40)),
    () => decodeId('%41'),
    () => decodeId('%'),
    () => decodeId('%FF'),
  ]) {
    t.throws(make, { code: 'INVALID_CHANNEL' })
  }
})
