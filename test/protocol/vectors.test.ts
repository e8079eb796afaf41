import { Unpackr } from 'msgpackr'
import t from 'tap'
import {
  acceptPayload,
  CLIENT_OPS,
  channelOf,
  channelOfParts,
  codecOf,
  codecs,
  decodeId,
  dmOf,
  encodeId,
  moveCursor,
  ProtocolError,
  parseChannel,
  partsOf,
  readFrame,
  SERVER_OPS,
} from '../../protocol/index.ts'
import { decodeMsgpack } from '../../protocol/v1/msgpack-decode.ts'
import { encodeMsgpack } from '../../protocol/v1/msgpack-encode.ts'
import {
  type BadVector,
  type CursorVector,
  type EventVector,
  type FrameVector,
  fieldsOf,
  type PayloadVector,
  readChannelVectors,
  readVectors,
  type ValueVector,
} from './vectors.ts'

const hex = (bytes: string | Uint8Array) => Buffer.from(bytes as Uint8Array).toString('hex')
const unhex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))

t.test('every frame has one form in each encoding, written and read', async (t) => {
  const { vectors } = readVectors<FrameVector>('frames')
  for (const { name, from, frame, json, msgpack } of vectors) {
    t.equal(codecs.json.encode(frame), json, `${name}: JSON written`)
    t.equal(hex(codecs.msgpack.encode(frame)), msgpack, `${name}: MessagePack written`)
    t.same(codecs.json.decode(Buffer.from(json ?? ''), false), frame, `${name}: JSON read`)
    t.same(codecs.msgpack.decode(unhex(msgpack ?? ''), true), frame, `${name}: MessagePack read`)
    if (from === 'server') continue
    t.same(readFrame(codecs.json, Buffer.from(json ?? ''), false), { frame }, `${name}: valid JSON frame`)
    t.same(
      readFrame(codecs.msgpack, unhex(msgpack ?? ''), true),
      { frame },
      `${name}: valid MessagePack frame`,
    )
  }
})

t.test('another implementation of MessagePack reads the same frames', async (t) => {
  const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' })
  for (const { name, frame, msgpack } of readVectors<FrameVector>('frames').vectors) {
    t.same(unpackr.unpack(unhex(msgpack ?? '')), frame, name)
  }
})

t.test('there is a vector for every op of each side', async (t) => {
  const { vectors } = readVectors<FrameVector>('frames')
  const seen = (side: string) =>
    new Set(vectors.filter(({ from }) => from === side).map(({ frame }) => frame.op))
  t.strictSame([...seen('client')].sort(), [...CLIENT_OPS].sort())
  t.strictSame([...seen('server')].sort(), [...SERVER_OPS].sort())
})

t.test('an event is the same bytes, always', async (t) => {
  for (const { name, event, json, msgpack } of readVectors<EventVector>('events').vectors) {
    const fields = fieldsOf(event)
    const { payload: _, messageId: __, ...rest } = event
    const ids = event.messageId === undefined ? {} : { messageId: event.messageId }
    const frame = { op: 'event', ...rest, payload: JSON.parse(event.payload), ...ids }
    t.equal(codecs.json.encodeEvent(fields), json, `${name}: JSON`)
    t.equal(hex(codecs.msgpack.encodeEvent(fields)), msgpack, `${name}: MessagePack`)
    t.same(JSON.parse(json ?? ''), frame, `${name}: JSON read`)
    t.same(decodeMsgpack(unhex(msgpack ?? '')), frame, `${name}: MessagePack read`)

    const reply = { op: 'ok', id: 1, more: false } as const
    const expected = { ...reply, events: [1, 2].map(() => ({ ...frame, op: undefined })) }
    t.match(JSON.parse(String(codecs.json.encodeWithEvents(reply, [fields, fields]))), expected)
    t.match(decodeMsgpack(codecs.msgpack.encodeWithEvents(reply, [fields, fields]) as Uint8Array), expected)
  }
})

t.test('the bytes of an event inside a reply are those of its frame', async (t) => {
  for (const { name, event, json, msgpack } of readVectors<EventVector>('events').vectors) {
    const inJson = String(codecs.json.encodeWithEvents({ op: 'ok', id: 1 }, [fieldsOf(event)]))
    t.equal(inJson, `{"op":"ok","id":1,"events":[{${json?.slice('{"op":"event",'.length)}]}`, name)
    const inMsgpack = hex(codecs.msgpack.encodeWithEvents({ op: 'ok', id: 1 }, [fieldsOf(event)]))
    t.ok(inMsgpack.endsWith(msgpack?.slice('88a26f70a56576656e74'.length) ?? '-'), name)
  }
})

t.test('values have one MessagePack form when written and many when read', async (t) => {
  for (const { name, json, msgpack, also = [] } of readVectors<ValueVector>('values').vectors) {
    const value = JSON.parse(json)
    t.equal(hex(encodeMsgpack({ v: value })), `81a176${msgpack}`, `${name}: written`)
    for (const form of [msgpack ?? '', ...also]) {
      t.same(decodeMsgpack(unhex(`81a176${form}`)), { v: value }, `${name}: ${form.slice(0, 20)} read`)
    }
  }
})

function bytesOf({ text, hex, pieces }: BadVector): Uint8Array {
  if (hex !== undefined) return unhex(hex)
  return Buffer.from(text ?? pieces?.map(([piece, times]) => piece.repeat(times)).join('') ?? '')
}

t.test('bad input is refused with the error expected', async (t) => {
  for (const vector of readVectors<BadVector>('bad').vectors) {
    const codec = codecOf(vector.subprotocol)!
    const binary = (codec.encoding === 'msgpack') !== (vector.wrongKind === true)
    let read = readFrame(codec, bytesOf(vector), binary)
    if (read.frame !== undefined && 'payload' in read.frame) {
      const { id } = read.frame
      try {
        acceptPayload(read.frame.payload)
      } catch (error) {
        read = { error: error as ProtocolError, fatal: false, ...(id === undefined ? {} : { id }) }
      }
    }
    const { error } = read
    const { path, ...expected } = vector.error
    const name = `${codec.encoding}: ${vector.name}`
    t.ok(error instanceof ProtocolError, name)
    if (error === undefined || read.frame !== undefined) continue
    const found = { code: error.code, ...(read.id === undefined ? {} : { id: read.id }), fatal: read.fatal }
    t.strictSame(found, expected, name)
    if (path !== undefined) t.equal(error.details?.path, path, `${name}: place`)
  }
})

t.test('a payload is stored in one form', async (t) => {
  for (const { name, sent, stored } of readVectors<PayloadVector>('payloads').vectors) {
    t.equal(acceptPayload(JSON.parse(sent)), stored, name)
    t.equal(acceptPayload(JSON.parse(stored)), stored, `${name}: once more`)
  }
})

t.test('a cursor moves as the rule says', async (t) => {
  for (const { name, lastEventId, steps } of readVectors<CursorVector>('cursors').vectors) {
    let cursor = lastEventId ?? undefined
    for (const [i, step] of steps.entries()) {
      cursor = moveCursor(cursor, step.frame)
      t.equal(cursor ?? null, step.lastEventId, `${name}: after ${i + 1} (${step.frame.op})`)
    }
  }
})

t.test('channels', async (t) => {
  const { valid, invalid, ids, dms } = readChannelVectors()
  for (const { text, namespace, parts, module } of valid) {
    const channel = parseChannel(text)
    if (channel === undefined) {
      t.fail(text)
      continue
    }
    t.match(channel, { namespace, text })
    t.equal(channel.module, module, text)
    t.strictSame(partsOf(channel), parts, text)
    const [first] = parts
    const built =
      parts.length === 1 ? channelOf(namespace, first ?? '', module) : channelOfParts(namespace, ...parts)
    t.equal(built, text)
  }
  for (const { text, why } of invalid)
    t.equal(parseChannel(text), undefined, `'${text.slice(0, 40)}': ${why}`)
  for (const { raw, encoded } of ids) {
    t.equal(encodeId(raw), encoded)
    t.equal(decodeId(encoded), raw)
  }
  for (const { users, channel } of dms) t.equal(dmOf(...users), channel)
})
