/** Raw uWebSockets.js: whatever comes in is answered and published to the topic; nothing is decoded or stored. */
import uws, { type us_listen_socket, type WebSocket } from 'uWebSockets.js'
import { ACK, eventFrame, FAN_CHANNEL, type Hello, isHello, LIVE, WELCOME } from './frames.ts'

const HELLO_BYTES = '{"op":"hello"'.length
const frame = eventFrame(Number(process.env.EVENT_BYTES ?? 250))

const app = uws
  .App()
  .ws<object>('/*', {
    maxBackpressure: 1024 * 1024,
    closeOnBackpressureLimit: 1,
    upgrade: (response, request, context) => {
      response.upgrade(
        {},
        request.getHeader('sec-websocket-key'),
        request.getHeader('sec-websocket-protocol'),
        request.getHeader('sec-websocket-extensions'),
        context,
      )
    },
    message: (socket: WebSocket<object>, bytes) => {
      if (isHello(Buffer.from(bytes, 0, HELLO_BYTES).toString('latin1'))) {
        const { channels = [] } = JSON.parse(Buffer.from(bytes).toString()) as Hello
        for (const channel of channels) socket.subscribe(channel)
        socket.send(WELCOME)
        socket.send(LIVE)
        return
      }
      app.publish(FAN_CHANNEL, frame)
      socket.send(ACK)
    },
  })
  .listen('127.0.0.1', 0, (listening: us_listen_socket | false) => {
    if (listening === false) throw new Error('uWebSockets.js could not listen')
    process.send!(uws.us_socket_local_port(listening))
  })
