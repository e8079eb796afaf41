import fc from 'fast-check'
import t from 'tap'
import { codecs, decodeJson, TooDeep } from '../../../protocol/index.ts'
import { depthOf, elementsOf, iJson } from './values.ts'

const encode = (text: string) => new TextEncoder().encode(text)

t.test('what is within the limits is read as JSON.parse reads it', async () => {
  fc.assert(
    fc.property(iJson, fc.constantFrom(undefined, 2, '\t'), (value, space) => {
      const text = JSON.stringify({ value }, null, space)
      return JSON.stringify(decodeJson(encode(text))) === JSON.stringify(JSON.parse(text))
    }),
  )
})

t.test('limits are exact, whatever the strings hold', async () => {
  const tricky = fc.constantFrom('[[[[', '}{', '"', '\\', '\\"[', ',,,', '{"id":1}')
  fc.assert(
    fc.property(iJson, tricky, fc.nat(6), fc.nat(20), (value, text, maxDepth, maxElements) => {
      const frame = { [text]: text, value }
      const within = depthOf(frame) <= maxDepth && elementsOf(frame) <= maxElements
      try {
        decodeJson(encode(JSON.stringify(frame)), { maxDepth, maxElements })
        return within
      } catch (error) {
        return error instanceof TooDeep && !within
      }
    }),
  )
})

t.test('the id of a frame that is too deep is its own', async (t) => {
  const deep = `${'['.repeat(40)}${']'.repeat(40)}`
  const cases: [string, number | undefined][] = [
    [`{"id":7,"x":${deep}}`, 7],
    [`{"x":${deep},"id" : 7 }`, 7],
    [`{"x":{"id":9,"y":${deep}},"id":7}`, 7],
    [`{"x":{"id":9,"y":${deep}}}`, undefined],
    [`{"op":"id","x":${deep},"id":7}`, 7],
    [`{"a":"\\",\\"id\\":9,","id":7,"x":${deep}}`, 7],
    [`{"id":1,"x":${deep},"id":7}`, 7],
    [`{"id":-7,"x":${deep}}`, undefined],
    [`{"id":"7","x":${deep}}`, undefined],
    [`{"id":4294967296,"x":${deep}}`, undefined],
    [`{"id":4294967295,"x":${deep}}`, 4294967295],
  ]
  for (const [text, id] of cases) {
    try {
      decodeJson(encode(text))
      t.fail(text.slice(0, 30))
    } catch (error) {
      t.ok(error instanceof TooDeep)
      t.equal((error as TooDeep).id, id, text.slice(0, 30))
    }
  }
})

t.test('what is too deep and no object is no frame at all', async (t) => {
  for (const text of [`${'['.repeat(40)}${']'.repeat(40)}`, ` [${'{"a":'.repeat(40)}1${'}'.repeat(40)}]`]) {
    t.throws(() => decodeJson(encode(text)), { code: 'BAD_FRAME' })
  }
})

t.test('U+FFFD is a character like others where it was sent as one', async (t) => {
  t.same(decodeJson(encode('{"a":"\ufffd"}')), { a: '\ufffd' })
  t.throws(() => decodeJson(new Uint8Array([0x22, 0xef, 0xbf, 0xbd, 0xff, 0x22])), { code: 'BAD_FRAME' })
})

t.test('names are escaped as JSON demands, whatever is in them', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (from, messageId) => {
      const event = { id: 1, channel: 'room:a', seq: 1, type: 'note', payload: '1', from, messageId, ts: 2 }
      const text = codecs.json.encodeEvent(event)
      return text === JSON.stringify({ op: 'event', ...event, payload: 1 })
    }),
  )
})

t.test('a reply with no event has an empty list', async (t) => {
  const reply = { op: 'ok', id: 1, more: false } as const
  t.equal(codecs.json.encodeWithEvents(reply, []), '{"op":"ok","id":1,"more":false,"events":[]}')
  t.same(codecs.msgpack.decode(codecs.msgpack.encodeWithEvents(reply, []) as Uint8Array, true), {
    ...reply,
    events: [],
  })
})
