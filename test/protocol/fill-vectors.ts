/**
 * `npx tsx test/protocol/fill-vectors.ts` writes the bytes of vectors that have none yet, as our encoders make them.
 * It never changes what is there: a vector whose bytes no longer fit is a change of the protocol, made by hand.
 */

import { writeFileSync } from 'node:fs'
import { codecs } from '../../protocol/index.ts'
import { encodeMsgpack } from '../../protocol/v1/msgpack-encode.ts'
import {
  type EventVector,
  type FrameVector,
  fieldsOf,
  readVectors,
  type ValueVector,
  vectorFile,
} from './vectors.ts'

const hex = (bytes: string | Uint8Array) => Buffer.from(bytes as Uint8Array).toString('hex')

fill<FrameVector>('frames', (vector) => {
  vector.json ??= String(codecs.json.encode(vector.frame))
  vector.msgpack ??= hex(codecs.msgpack.encode(vector.frame))
})

fill<EventVector>('events', (vector) => {
  vector.json ??= String(codecs.json.encodeEvent(fieldsOf(vector.event)))
  vector.msgpack ??= hex(codecs.msgpack.encodeEvent(fieldsOf(vector.event)))
})

fill<ValueVector>('values', (vector) => {
  vector.msgpack ??= hex(encodeMsgpack({ v: JSON.parse(vector.json) }).subarray(3))
})

function fill<Vector>(name: string, complete: (vector: Vector) => void): void {
  const file = readVectors<Vector>(name)
  for (const vector of file.vectors) complete(vector)
  writeFileSync(vectorFile(name), `${JSON.stringify(file, null, 2)}\n`)
}
