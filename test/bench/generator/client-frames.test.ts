import t from 'tap'
import { PublishFrames } from '../../../bench/generator/client-frames.ts'
import { codecs } from '../../../protocol/v1/codec.ts'
import { readFrame } from '../../../protocol/v1/validate.ts'

t.test(
  'what the generator publishes are frames of the protocol, each with its own id and messageId',
  async (t) => {
    const text = 'é'.repeat(50)
    const frames = new PublishFrames('room:a', `{"text":"${text}"}`, 'tag')
    const bytes = Buffer.concat([frames.next(2), frames.next(1)])
    const ids: unknown[] = []
    for (let at = 0; at < bytes.length; ) {
      t.equal(bytes[at], 0x81)
      t.equal(bytes[at + 1], 0x80 | 126)
      t.equal(bytes.readUInt32BE(at + 4), 0, 'the mask is 0')
      const end = at + 8 + bytes.readUInt16BE(at + 2)
      const read = readFrame(codecs.json, bytes.subarray(at + 8, end), false)
      t.match(read.frame, { op: 'publish', channel: 'room:a', type: 'chat.text', payload: { text } })
      const { id, messageId } = read.frame as { id: number; messageId: string }
      ids.push([id, messageId])
      at = end
    }
    t.same(ids, [
      [1_000_000_000, 'tag-1000000000'],
      [1_000_000_001, 'tag-1000000001'],
      [1_000_000_002, 'tag-1000000002'],
    ])
  },
)
