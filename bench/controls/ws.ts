/** Raw ws: whatever comes in is answered and sent to every subscriber, in a loop; nothing is decoded or stored. */
import type { AddressInfo } from 'node:net'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import { ACK, eventFrame, FAN_CHANNEL, type Hello, isHello, LIVE, WELCOME } from './frames.ts'

const HELLO_BYTES = '{"op":"hello"'.length
const frame = Buffer.from(eventFrame(Number(process.env.EVENT_BYTES ?? 250)))
const subscribers = new Set<WebSocket>()

const server: WebSocketServer = new WebSocketServer(
  { host: '127.0.0.1', port: 0, perMessageDeflate: false },
  () => process.send!((server.address() as AddressInfo).port),
)
server.on('connection', (socket) => {
  socket.on('message', (data: RawData) => {
    const bytes = data as Buffer
    if (isHello(bytes.toString('latin1', 0, HELLO_BYTES))) {
      const { channels = [] } = JSON.parse(bytes.toString()) as Hello
      if (channels.includes(FAN_CHANNEL)) subscribers.add(socket)
      socket.send(WELCOME)
      socket.send(LIVE)
      return
    }
    for (const subscriber of subscribers) subscriber.send(frame, { binary: false })
    socket.send(ACK)
  })
  socket.on('close', () => subscribers.delete(socket))
  socket.on('error', () => socket.terminate())
})
