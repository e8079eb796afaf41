import t from 'tap'
import { Hub } from '../../src/fanout/hub.ts'
import type { Log } from '../../src/log/log.ts'
import { Stream } from '../../src/session/stream.ts'
import type { Socket } from '../../src/transport/transport.ts'

// A real one cannot be made to close between a subscribe's question to the database and its answer.
function fakeSocket() {
  const topics = new Set<string>()
  return {
    topics,
    open: true,
    encoding: 'json' as const,
    subscribe: (topic: string) => void topics.add(topic),
    unsubscribe: (topic: string) => void topics.delete(topic),
  }
}

t.test('a channel that is added when the socket is closed leaves nothing behind', async (t) => {
  const hub = new Hub({ publish() {} })
  const socket = fakeSocket()
  const stream = new Stream(socket as unknown as Socket, hub, { position: 0 } as Log, 1)
  stream.add('room:a')
  stream.goLive()
  t.strictSame([hub.users('room:a'), hub.subscriptions, socket.topics.size], [1, 1, 1])

  socket.open = false
  stream.close()
  stream.add('room:b')
  t.strictSame([hub.users('room:a'), hub.users('room:b'), hub.subscriptions, hub.channels], [0, 0, 0, 0])
})
