import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

export interface ScriptedServer {
  readonly url: string
  /** The hellos that came, one for each connection. */
  readonly hellos: { readonly token: string; readonly lastEventId?: number; readonly epoch?: string }[]
  /** Frames other than `hello`. */
  readonly frames: { readonly op: string }[]
}

export type Act = (socket: WebSocket, say: (frame: object) => void) => void

/**
 * A server that does with each connection, once it has said hello, what its script says: the first act with the first,
 * and so on; the last act again and again. A number refuses the upgrade with that status.
 */
export async function scriptedServer(
  t: { teardown(end: () => unknown): unknown },
  script: readonly (Act | number)[],
): Promise<ScriptedServer> {
  const hellos: ScriptedServer['hellos'] = []
  const frames: ScriptedServer['frames'] = []
  let acts = 0
  const next = () => script[Math.min(acts++, script.length - 1)]!
  const server = createServer()
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    const act = next()
    if (typeof act === 'number') {
      socket.end(`HTTP/1.1 ${act} No\r\nContent-Length: 7\r\nConnection: close\r\n\r\nbecause`)
      return
    }
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.on('message', (data) => {
        const frame = JSON.parse(data.toString())
        if (frame.op !== 'hello') return void frames.push(frame)
        hellos.push(frame)
        act(client, (answer) => client.send(JSON.stringify(answer)))
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const client of sockets.clients) client.terminate()
    server.close()
  })
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`, hellos, frames }
}

export function welcome(pos: number, more = {}) {
  const heartbeat = { interval: 25_000, timeout: 10_000 }
  return { op: 'welcome', epoch: 'e1', pos, resume: 'fresh', channels: [], refused: [], heartbeat, ...more }
}

export function event(id: number, channel = 'room:lobby') {
  return {
    op: 'event',
    id,
    channel,
    seq: id,
    type: 'tick',
    payload: { id },
    from: 'ana',
    ts: 1_700_000_000_000,
  }
}
