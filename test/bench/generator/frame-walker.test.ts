import t from 'tap'
import { FrameWalker } from '../../../bench/generator/frame-walker.ts'

/** An unmasked frame, as a server sends it. */
function frame(payload: string, opcode = 0x1): Buffer {
  const { length } = Buffer.from(payload)
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10)
  header[0] = 0x80 | opcode
  header[1] = length < 126 ? length : length < 65_536 ? 126 : 127
  if (header.length === 4) header.writeUInt16BE(length, 2)
  if (header.length === 10) header.writeUInt32BE(length, 6)
  return Buffer.concat([header, Buffer.from(payload)])
}

const event = (text: string) => `{"op":"event","id":1,"payload":"${text}"}`
const stream = [
  '{"op":"welcome","session":"s"}',
  event('short'),
  '{"op":"ok","id":7}',
  event('m'.repeat(500)),
  event('l'.repeat(70_000)),
  '{"op":"error","code":"X"}',
  '{"op":"ok","id":8,"channel":"room:a"}',
]

t.test('acks and events are counted, and the rest handed on, however the stream is cut', async (t) => {
  const bytes = Buffer.concat([...stream.map((text) => frame(text)), frame('', 0x9)])
  for (const size of [1, 2, 3, 5, 7, 64, 509, 65_536, bytes.length]) {
    const others: string[] = []
    const walker = new FrameWalker((opcode, payload) => others.push(`${opcode} ${payload}`))
    for (let at = 0; at < bytes.length; at += size) walker.walk(bytes.subarray(at, at + size))
    t.equal(walker.acks, 2, `in pieces of ${size}`)
    t.equal(walker.events, 3)
    t.equal(walker.eventBytes, event('').length * 3 + 5 + 500 + 70_000)
    t.same(others, ['1 {"op":"welcome","session":"s"}', '1 {"op":"error","code":"X"}', '9 '])
  }
})
