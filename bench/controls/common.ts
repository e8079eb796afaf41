/**
 * What most people do: `ws`, one pooled INSERT per message, the ack when it is done, then a loop over the sockets of
 * the room. A client that comes back asks the database for what it missed. HTTP the same way. No token is checked and
 * nothing is validated, which is in this control's favour.
 */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import pg from 'pg'
import { type RawData, WebSocket, WebSocketServer } from 'ws'
import type { Hello } from './frames.ts'

interface Publish {
  readonly op: 'publish'
  readonly id: number
  readonly channel: string
  readonly type: string
  readonly payload: unknown
  readonly messageId?: string
}

interface Stored {
  readonly id: string
  readonly channel: string
  readonly type: string
  readonly payload: unknown
  readonly created_at: Date
}

const INSERT =
  'insert into bench.messages (channel, type, payload, sender, message_id) values ($1, $2, $3, $4, $5) returning id, created_at'
const MISSED =
  'select id, channel, type, payload, created_at from bench.messages where channel = any($1) and id > $2 order by id'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL! })
const rooms = new Map<string, Set<WebSocket>>()
let senders = 0

async function insert(message: Publish, sender: string): Promise<Stored> {
  const { channel, type, payload, messageId } = message
  const { rows } = await pool.query<Stored>(INSERT, [
    channel,
    type,
    JSON.stringify(payload),
    sender,
    messageId,
  ])
  return { ...rows[0]!, channel, type, payload }
}

function eventText({ id, channel, type, payload, created_at }: Stored): string {
  return JSON.stringify({ op: 'event', id: Number(id), channel, type, payload, ts: created_at.getTime() })
}

function deliver(stored: Stored): void {
  const text = eventText(stored)
  for (const socket of rooms.get(stored.channel) ?? []) {
    if (socket.readyState === WebSocket.OPEN) socket.send(text)
  }
}

async function hello(socket: WebSocket, { channels = [], lastEventId }: Hello): Promise<void> {
  const { rows } = await pool.query('select coalesce(max(id), 0) as pos from bench.messages')
  socket.send(JSON.stringify({ op: 'welcome', protocol: 1, epoch: 'control', pos: Number(rows[0].pos) }))
  if (lastEventId !== undefined) {
    const missed = await pool.query<Stored>(MISSED, [channels, lastEventId])
    for (const stored of missed.rows) socket.send(eventText(stored))
  }
  for (const channel of channels) {
    const room = rooms.get(channel)
    if (room === undefined) rooms.set(channel, new Set([socket]))
    else room.add(socket)
  }
  socket.on('close', () => {
    for (const channel of channels) rooms.get(channel)?.delete(socket)
  })
  socket.send('{"op":"live","pos":0}')
}

const http = createServer(async (request, response) => {
  const message = JSON.parse(await body(request)) as Publish | Publish[]
  const results = []
  for (const one of Array.isArray(message) ? message : [message]) {
    const stored = await insert(one, 'http')
    deliver(stored)
    results.push({ eventId: Number(stored.id), ts: stored.created_at.getTime() })
  }
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(results))
})

async function body(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

new WebSocketServer({ server: http, perMessageDeflate: false }).on('connection', (socket) => {
  const sender = `user-${senders++}`
  socket.on('error', () => socket.terminate())
  socket.on('message', async (bytes: RawData) => {
    const message = JSON.parse(bytes.toString()) as Hello | Publish
    if (message.op === 'hello') return hello(socket, message)
    const stored = await insert(message, sender)
    const { channel, messageId } = message
    socket.send(
      JSON.stringify({
        op: 'ok',
        id: message.id,
        channel,
        eventId: Number(stored.id),
        ts: stored.created_at,
        messageId,
      }),
    )
    deliver(stored)
  })
})
http.listen(0, '127.0.0.1', () => process.send!((http.address() as AddressInfo).port))
