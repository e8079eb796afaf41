import type { Encoded } from './transport.ts'
import { frameOf } from './websocket-frame.ts'
import { Run } from './ws-run.ts'

/** A socket, as a topic needs it. */
export interface TopicSocket {
  /** Adds one frame to what the socket is to get. Must not publish. */
  append(frame: Run): void
}

export interface Topic {
  readonly name: string
  readonly sockets: Set<TopicSocket>
}

/** Topic → sockets. */
export class Topics {
  readonly #topics = new Map<string, Topic>()

  /** The topic, with the socket in it; undefined where it was in it before. */
  join(name: string, socket: TopicSocket): Topic | undefined {
    let topic = this.#topics.get(name)
    if (topic === undefined) {
      topic = { name, sockets: new Set() }
      this.#topics.set(name, topic)
    }
    if (topic.sockets.has(socket)) return undefined
    topic.sockets.add(socket)
    return topic
  }

  leave(topic: Topic, socket: TopicSocket): void {
    topic.sockets.delete(socket)
    if (topic.sockets.size === 0) this.#topics.delete(topic.name)
  }

  /** The message is framed once, and no socket encodes anything. */
  publish(name: string, message: Encoded, except?: TopicSocket): void {
    const topic = this.#topics.get(name)
    if (topic === undefined) return
    const frame = new Run(frameOf(message))
    for (const socket of topic.sockets) if (socket !== except) socket.append(frame)
  }
}
