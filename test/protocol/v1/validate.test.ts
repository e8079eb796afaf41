import fc from 'fast-check'
import t from 'tap'
import {
  acceptPayload,
  CLIENT_OPS,
  codecs,
  ERRORS,
  LIMITS,
  ProtocolError,
  readFrame,
} from '../../../protocol/index.ts'
import { type BadVector, type FrameVector, readVectors } from '../vectors.ts'
import { iJson } from './values.ts'

const json = (text: string) => readFrame(codecs.json, Buffer.from(text), false)
const frames = readVectors<FrameVector>('frames').vectors.filter(({ from }) => from === 'client')

function isAnswer(read: ReturnType<typeof readFrame>): boolean {
  if (read.frame !== undefined) return (CLIENT_OPS as readonly string[]).includes(read.frame.op)
  const { error, id, fatal } = read
  const known = error instanceof ProtocolError && Object.hasOwn(ERRORS, error.code)
  return (
    known &&
    (id === undefined || (Number.isInteger(id) && id >= 0 && id <= 0xffffffff)) &&
    fatal !== undefined
  )
}

t.test('random bytes get an answer and never an exception', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, binary) => {
      return (
        isAnswer(readFrame(codecs.json, bytes, binary)) && isAnswer(readFrame(codecs.msgpack, bytes, binary))
      )
    }),
    { numRuns: 3000 },
  )
})

t.test('frames with some bytes changed get an answer and never an exception', async () => {
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(fc.constantFrom(...frames), edits, fc.nat(), (vector, edits, cut) => {
      for (const codec of [codecs.json, codecs.msgpack]) {
        const bytes = Buffer.from(codec.encode(vector.frame) as Uint8Array)
        for (const [at, byte] of edits) bytes[at % bytes.length] = byte
        const whole = readFrame(codec, bytes, codec === codecs.msgpack)
        const short = readFrame(codec, bytes.subarray(0, cut % bytes.length), codec === codecs.msgpack)
        if (!isAnswer(whole) || !isAnswer(short)) return false
      }
      return true
    }),
    { numRuns: 2000 },
  )
})

t.test('any value in any field gets an answer, the same in both encodings', async () => {
  fc.assert(
    fc.property(fc.constantFrom(...frames), fc.nat(), iJson, ({ frame }, which, value) => {
      const names = Object.keys(frame)
      const changed = { ...frame, [names[which % names.length] as string]: value } as typeof frame
      const inJson = readFrame(codecs.json, Buffer.from(codecs.json.encode(changed) as string), false)
      const inMsgpack = readFrame(codecs.msgpack, codecs.msgpack.encode(changed) as Uint8Array, true)
      return (
        isAnswer(inJson) &&
        inJson.error?.code === inMsgpack.error?.code &&
        JSON.stringify(inJson.error?.details) === JSON.stringify(inMsgpack.error?.details)
      )
    }),
    { numRuns: 1000 },
  )
})

t.test('fields that are not known are ignored, whatever they hold', async (t) => {
  for (const { frame } of frames) {
    const extended = { ...frame, zzz: [{ a: null }], constructor: 1 }
    t.notOk(json(JSON.stringify(extended)).error, frame.op)
  }
})

t.test('a frame at the limits is taken', async (t) => {
  const publish = (payload: string) =>
    `{"op":"publish","id":7,"channel":"room:a","type":"note","payload":${payload}}`
  const depth = LIMITS.maxDepth - 1
  t.notOk(json(publish(`${'['.repeat(depth)}${']'.repeat(depth)}`)).error)
  t.notOk(json(publish(`[0${',0'.repeat(LIMITS.maxElements - 6)}]`)).error)
})

t.test('the first wrong field is named with what was expected there', async (t) => {
  const { error } = json('{"op":"history","id":3,"channel":"room:a","limit":"many","after":-1}')
  t.match(error, {
    code: 'BAD_FRAME',
    details: { path: '/after', expected: 'an event id: an integer from 0 to 2^53 - 1' },
  })
})

t.test('no error quotes more than a little of what was sent', async (t) => {
  const long = 'x'.repeat(50_000)
  for (const text of [
    `{"op":"${long}"}`,
    `{"op":"hello","token":"t","session":"${long}"}`,
    `{"op":"subscribe","channel":"${long}"}`,
    `{"op":"publish","channel":"room:a","type":"${long}","payload":1}`,
    `{"${long}"`,
  ]) {
    const { error } = json(text)
    t.ok(error !== undefined && JSON.stringify([error.message, error.details]).length < 500)
  }
  const deep = JSON.parse(`{"${long}":"\\u0000"}`)
  t.throws(() => acceptPayload(deep), { code: 'INVALID_PAYLOAD' })
  try {
    acceptPayload(deep)
  } catch (error) {
    t.ok((error as Error).message.length < 500)
  }
})

t.test('an accepted payload is the JSON of the value, and Postgres can read it', async () => {
  fc.assert(
    fc.property(iJson, (value) => {
      try {
        const text = acceptPayload(value)
        return (
          text === JSON.stringify(value) &&
          !/(^|[^\\])(\\\\)*\\u0000/.test(text) &&
          !text.includes('"__proto__":')
        )
      } catch (error) {
        return error instanceof ProtocolError && /\\u0000|__proto__/.test(JSON.stringify(value))
      }
    }),
    { numRuns: 1000 },
  )
})

t.test('a lone surrogate is found wherever it is', async () => {
  const lone = fc.constantFrom('\ud800', '\udfff', 'a\ud83d', '\ude00b', '😀\ud83d')
  fc.assert(
    fc.property(iJson, lone, fc.boolean(), (value, text, asKey) => {
      try {
        acceptPayload(asKey ? [value, { [text]: value }] : { a: value, b: [text] })
        return false
      } catch (error) {
        return error instanceof ProtocolError && !/\\ud[89a-f]/.test(JSON.stringify(error.details))
      }
    }),
  )
})

t.test('a vector of bad input is named once', async (t) => {
  const names = readVectors<BadVector>('bad').vectors.map(({ subprotocol, name }) => `${subprotocol} ${name}`)
  t.equal(new Set(names).size, names.length)
})
