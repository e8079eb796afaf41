import { moveCursor } from '../protocol/v1/cursor.ts'
import type { ServerFrame } from '../protocol/v1/frames.ts'
import type { TokenClaims } from '../src/access/mint-token.ts'
import type { Encoding } from '../src/transport/transport.ts'
import type { FrameOf, Reply, TestClient } from './client.ts'
import type { TestServer } from './server.ts'

type EventFrame = FrameOf<'event'>

/** A channel of the present session. */
interface Following {
  /** The last seq that the reader has. */
  seq: number
  /** Where in the log the stream of the channel began. */
  readonly since: number
}

/** A `sync` under way: what is brought again, by channel. */
interface Rewind {
  readonly from: number
  readonly again: Map<string, number>
}

/**
 * Reads as a client should (SPEC §15), over any number of connections, and throws at the first frame that breaks a promise
 * of §8: an event too many, too early, out of order or missing, a welcome that does not go on where the last session
 * ended, a watermark that was not true.
 */
export class Reader {
  /** Every event that was delivered, in order, those that a `sync` brought again left out. */
  readonly received: EventFrame[] = []
  /** What became of each hello. */
  readonly resumes: FrameOf<'welcome'>['resume'][] = []
  cursor: number | undefined
  epoch: string | undefined
  readonly #server: TestServer
  readonly #claims: Partial<TokenClaims>
  readonly #encoding: Encoding | undefined
  #client: TestClient | undefined
  #read = 0
  #channels = new Map<string, Following>()
  /** Nothing up to this id may come any more, and nothing older than the last event. */
  #reached = 0
  #time = 0
  /** After a welcome, or the ok of a sync, until `live` or `refresh`. */
  #behind: 'fresh' | 'resumed' | 'refresh' | Rewind | undefined

  constructor(server: TestServer, claims: Partial<TokenClaims> = {}, encoding?: Encoding) {
    this.#server = server
    this.#claims = claims
    this.#encoding = encoding
  }

  get client(): TestClient {
    if (this.#client === undefined) throw new Error('there is no connection')
    return this.#client
  }

  get connected(): boolean {
    return this.#client?.socket.readyState === 1
  }

  get channels(): string[] {
    return [...this.#channels.keys()]
  }

  /** Connects with these channels, or those of the last session, and resumes if there is a cursor. */
  async connect(channels = this.channels): Promise<FrameOf<'welcome'>> {
    const client = await this.#server.open(this.#encoding)
    this.#client = client
    this.#read = 0
    const resume = this.cursor === undefined ? {} : { lastEventId: this.cursor, epoch: this.epoch }
    return await client.hello(await this.#server.token(this.#claims), { channels, ...resume })
  }

  /** Ends the connection abruptly. What has arrived by then counts. */
  drop(): void {
    this.client.socket.terminate()
    this.absorb()
  }

  /** Waits until everything is here that was sent so far. */
  async settle(): Promise<void> {
    await this.client.settle()
    await this.client.until(() => {
      this.absorb()
      return this.#behind === undefined
    }, 'live')
  }

  /** Waits until the event with this id is here, or one after it. */
  async reached(id: number): Promise<void> {
    await this.client.until(() => {
      this.absorb()
      return (this.received.at(-1)?.id ?? 0) >= id
    }, `event ${id}`)
  }

  seqOf(channel: string): number | undefined {
    return this.#channels.get(channel)?.seq
  }

  /** Takes in what has come. */
  absorb(): void {
    const { frames } = this.client
    while (this.#read < frames.length) {
      const frame = frames[this.#read++]!
      try {
        this.#take(frame)
      } catch (error) {
        const near = frames.slice(Math.max(0, this.#read - 8), this.#read + 2)
        throw new Error(
          `${(error as Error).message}; after\n${near.map((f) => JSON.stringify(f).slice(0, 300)).join('\n')}`,
        )
      }
    }
  }

  #take(frame: ServerFrame): void {
    if (frame.op === 'welcome') this.#welcome(frame)
    else if (frame.op === 'event') this.#event(frame)
    else if (frame.op === 'live') this.#live()
    else if (frame.op === 'refresh') this.#refresh(frame)
    else if (frame.op === 'ping') this.#ping(frame.pos)
    else if (frame.op === 'ok') this.#ok(frame as Reply)
    else if (frame.op === 'unsubscribed') this.#unsubscribed(frame)
    else if (frame.op === 'subscribed')
      this.#channels.set(frame.channel, { seq: frame.seq, since: this.#reached })
    this.cursor = moveCursor(this.cursor, frame)
  }

  #welcome(frame: FrameOf<'welcome'>): void {
    this.resumes.push(frame.resume)
    require(frame.resume === 'fresh' || this.cursor !== undefined, 'nobody asked to resume')
    const resumed = frame.resume === 'resumed'
    const since = resumed ? this.cursor! : frame.pos
    // The connection broke while a sync was under way: the cursor is behind what is known.
    const rewound = resumed && typeof this.#behind === 'object'
    const channels = new Map<string, Following>()
    for (const { channel, seq } of frame.channels) {
      const known = this.#channels.get(channel)
      channels.set(channel, rewound && known ? known : { seq, since })
      if (!resumed || known === undefined) continue
      // A channel that was entered ahead of the cursor starts earlier now.
      const fits = known.since <= since && !rewound ? seq === known.seq : seq <= known.seq
      require(fits, `welcome says seq ${seq} of ${channel}, known is ${known.seq}`)
    }
    this.#channels = channels
    if (frame.resume !== 'refresh') this.epoch = frame.epoch
    this.#reached = since
    this.#time = 0
    this.#behind = rewound ? { from: since, again: new Map() } : frame.resume
  }

  #event(frame: EventFrame): void {
    const channel = this.#channels.get(frame.channel)
    require(channel !== undefined, 'an event of a channel that is not subscribed to')
    require(this.#behind !== 'fresh' && this.#behind !== 'refresh', 'an event before live')
    require(frame.id > this.#reached, `event ${frame.id} comes behind ${this.#reached}`)
    require(frame.ts >= this.#time, `event ${frame.id} is older than the one before`)
    this.#reached = frame.id
    this.#time = frame.ts
    if (typeof this.#behind === 'object') return this.#again(frame, channel!, this.#behind.again)
    require(frame.seq === channel!.seq + 1, `seq ${frame.seq} follows ${channel!.seq}`)
    channel!.seq = frame.seq
    this.received.push(frame)
  }

  /** An event after a rewind: one that is known already, or the next. */
  #again(frame: EventFrame, channel: Following, again: Map<string, number>): void {
    const last = again.get(frame.channel)
    require(last === undefined ||
      frame.seq === last + 1, `seq ${frame.seq} follows ${last} in a rewound stream`)
    again.set(frame.channel, frame.seq)
    if (frame.seq > channel.seq) {
      require(frame.seq === channel.seq + 1, `seq ${frame.seq} follows ${channel.seq}`)
      channel.seq = frame.seq
      this.received.push(frame)
      return
    }
    const known = this.received.findLast(
      (event) => event.channel === frame.channel && event.seq === frame.seq,
    )
    const same = known === undefined || JSON.stringify(known) === JSON.stringify(frame)
    require(same, `another event ${frame.seq} of ${frame.channel}`)
  }

  #live(): void {
    require(this.#behind !== undefined && this.#behind !== 'refresh', 'live without a welcome or sync')
    if (typeof this.#behind === 'object') {
      const { from, again } = this.#behind
      for (const [name, { seq }] of this.#channels) {
        const due = this.received.findLast((event) => event.channel === name && event.seq === seq)
        const missing = due !== undefined && due.id > from && again.get(name) !== seq
        require(!missing, `the rewound stream lacks event ${due?.id} of ${name}`)
      }
    }
    this.#behind = undefined
  }

  /** Answers, and holds the server to its watermark. */
  #ping(pos: number): void {
    if (this.connected) this.client.send({ op: 'pong' })
    require(pos >= this.#reached, `the watermark ${pos} is behind ${this.#reached}`)
    this.#reached = pos
  }

  #refresh(frame: FrameOf<'refresh'>): void {
    require(this.#behind === 'refresh' ||
      typeof this.#behind === 'object', 'refresh without a welcome or sync')
    this.epoch = frame.epoch
    this.#reached = frame.pos
    this.#behind = undefined
  }

  #ok(reply: Reply): void {
    const request = this.client.requests.get(reply.id!)
    if (request?.op === 'subscribe' && !this.#channels.has(reply.channel)) {
      this.#channels.set(reply.channel, { seq: reply.seq, since: reply.pos })
    }
    if (request?.op === 'unsubscribe') this.#channels.delete(request.channel as string)
    if (request?.op === 'sync') {
      const from = request.lastEventId as number
      this.#behind = { from, again: new Map() }
      this.#reached = from
      this.#time = 0
      this.cursor = from
    }
  }

  #unsubscribed({ channel, seq }: FrameOf<'unsubscribed'>): void {
    require(this.#channels.get(channel)?.seq === seq, `${channel} ended before its seq ${seq}`)
    this.#channels.delete(channel)
  }
}

function require(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise)
}
