import type { LogEvent } from '../log/event.ts'
import type { Encoded, Encoding } from '../transport/transport.ts'
import { frameOf } from './frames.ts'

/** One connection, as the hub needs it. */
export interface Subscriber {
  readonly encoding: Encoding
  subscribe(topic: string): void
  unsubscribe(topic: string): void
  /** Puts one message onto every other socket that is subscribed to the topic. */
  publish(topic: string, frame: Encoded): void
}

/** Who puts one message onto every socket that is subscribed to a topic. */
export interface Publisher {
  publish(topic: string, frame: Encoded): void
}

interface Listeners {
  /** Connections that have the channel, whether they are live or behind. */
  users: number
  /** Those that are live, by encoding. */
  json: number
  msgpack: number
}

// The channel grammar has no blank, so no channel can be taken for a topic of another one.
const topicOf = (channel: string, encoding: Encoding) => `${encoding} ${channel}`

/** Channel → subscribers. The sockets themselves are kept by the transport's topics, one per channel and encoding. */
export class Hub {
  readonly #publisher: Publisher
  readonly #listeners = new Map<string, Listeners>()
  #subscriptions = 0

  constructor(publisher: Publisher) {
    this.#publisher = publisher
  }

  /** Channels that somebody has. */
  get channels(): number {
    return this.#listeners.size
  }

  /** Sum over the channels of who has them. */
  get subscriptions(): number {
    return this.#subscriptions
  }

  /** Connections here that have the channel. */
  users(channel: string): number {
    return this.#listeners.get(channel)?.users ?? 0
  }

  /** One more connection has the channel. */
  enter(channel: string): void {
    const listeners = this.#listeners.get(channel)
    if (listeners === undefined) this.#listeners.set(channel, { users: 1, json: 0, msgpack: 0 })
    else listeners.users++
    this.#subscriptions++
  }

  leave(channel: string): void {
    const listeners = this.#listeners.get(channel)!
    if (--listeners.users === 0) this.#listeners.delete(channel)
    this.#subscriptions--
  }

  /** The live stream of a channel that the subscriber has entered. */
  attach(subscriber: Subscriber, channel: string): void {
    this.#listeners.get(channel)![subscriber.encoding]++
    subscriber.subscribe(topicOf(channel, subscriber.encoding))
  }

  detach(subscriber: Subscriber, channel: string): void {
    this.#listeners.get(channel)![subscriber.encoding]--
    subscriber.unsubscribe(topicOf(channel, subscriber.encoding))
  }

  /** Hands an event to everybody who listens to its channel; false if nobody does here. */
  deliver(event: LogEvent): boolean {
    const listeners = this.#listeners.get(event.channel)
    if (listeners === undefined) return false
    if (listeners.json > 0) this.#publisher.publish(topicOf(event.channel, 'json'), frameOf(event, 'json'))
    if (listeners.msgpack > 0) {
      this.#publisher.publish(topicOf(event.channel, 'msgpack'), frameOf(event, 'msgpack'))
    }
    return true
  }

  /** Hands a frame that is not an event to everybody who listens to the channel but the sender. */
  broadcast(channel: string, encode: (encoding: Encoding) => Encoded, sender: Subscriber): void {
    const listeners = this.#listeners.get(channel)
    if (listeners === undefined) return
    if (listeners.json > 0) sender.publish(topicOf(channel, 'json'), encode('json'))
    if (listeners.msgpack > 0) sender.publish(topicOf(channel, 'msgpack'), encode('msgpack'))
  }
}
