import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import { codecs } from '../../protocol/v1/codec.ts'
import { CLOSE, CLOSES } from '../../protocol/v1/errors.ts'
import type { ByeFrame, ClientFrame, ServerFrame } from '../../protocol/v1/frames.ts'
import type { Credentials } from './credentials.ts'
import { explain } from './failure.ts'
import { type Follower, Interrupted } from './follower.ts'
import { visible } from './show-event.ts'

/** How a connection ended. */
export interface End {
  readonly reason: string
  /** Connecting again, as things are, is of no use. */
  readonly final: boolean
  readonly welcomed: boolean
  /** How long the server wants us to stay away. */
  readonly afterMs?: number | undefined
}

/** For the handshake, and from `hello` to `welcome`. */
const ANSWER_MS = 10_000
const CLOSE_MS = 1000
const MAX_REFUSAL_BYTES = 2000
/** Refusals of the upgrade that time heals. */
const TEMPORARY: ReadonlySet<number | undefined> = new Set([408, 425, 429])

/** Runs one connection to its end. Never rejects. */
export async function connectOnce(
  { endpoint, token, renewable }: Credentials,
  follower: Follower,
  stop: AbortSignal,
): Promise<End> {
  let bearer: string
  try {
    bearer = await token()
  } catch (error) {
    return { reason: `no token: ${explain(error)}`, final: true, welcomed: false }
  }
  const socket = new WebSocket(endpoint.webSocket, codecs.json.subprotocol, {
    perMessageDeflate: false,
    handshakeTimeout: ANSWER_MS,
  })
  return new Promise((resolve) => {
    let end: End | undefined
    let bye: ByeFrame | undefined
    let lastError: string | undefined
    let welcomed = false
    let silence: NodeJS.Timeout | undefined
    let silenceMs = ANSWER_MS

    socket.on('open', () => {
      send(follower.hello(bearer))
      heard()
    })
    socket.on('message', (bytes: Buffer) => {
      heard()
      try {
        received(codecs.json.decode(bytes, false) as ServerFrame)
      } catch (error) {
        finish({ reason: explain(error), final: !(error instanceof Interrupted), ...afterOf(error) })
      }
    })
    socket.on('ping', heard)
    socket.on('error', (error) => {
      // 'close' follows.
      end ??= { reason: `${endpoint.webSocket}: ${explain(error)}`, final: false, welcomed }
    })
    socket.on('unexpected-response', (_, response) => void refused(response))
    socket.on('close', (code, reason) => {
      clearTimeout(silence)
      stop.removeEventListener('abort', leave)
      follower.disconnected()
      resolve(end ?? closed(code, visible(reason.toString())))
    })
    stop.addEventListener('abort', leave)
    if (stop.aborted) leave()

    function received(frame: ServerFrame) {
      if (frame.op === 'bye') bye = frame
      if (frame.op === 'error') lastError = `${frame.code}: ${visible(frame.message)}`
      if (frame.op === 'welcome') {
        welcomed = true
        lastError = undefined
        silenceMs = frame.heartbeat.interval + frame.heartbeat.timeout
      }
      if (frame.op === 'expiring' && renewable) void renew()
      follower.receive(frame, send)
    }

    async function renew() {
      try {
        send({ op: 'auth', token: await token() })
      } catch (error) {
        lastError = `no new token: ${explain(error)}`
      }
    }

    function send(frame: ClientFrame) {
      if (socket.readyState === WebSocket.OPEN) socket.send(codecs.json.encode(frame))
    }

    function heard() {
      clearTimeout(silence)
      silence = setTimeout(() => {
        const reason = `nothing heard from ${endpoint.webSocket} for ${silenceMs / 1000} s`
        end ??= { reason, final: false, welcomed }
        socket.terminate()
      }, silenceMs)
    }

    function finish(how: Omit<End, 'welcomed'>) {
      end ??= { ...how, welcomed }
      leave()
    }

    function leave() {
      socket.close(1000)
      setTimeout(() => socket.terminate(), CLOSE_MS).unref()
    }

    function closed(code: number, reason: string): End {
      const verdict = bye?.reconnect ?? CLOSES[code]?.reconnect ?? true
      // A token that has ended is no reason to stop for whoever can make another; one that was refused is.
      const ended = (bye?.code ?? code) === CLOSE.unauthenticated && welcomed && renewable
      const why = bye ? visible(bye.reason) : reason || (CLOSES[code]?.meaning ?? 'the connection ended')
      return {
        reason: `${lastError ?? why} (close code ${bye?.code ?? code})`,
        final: !verdict && !ended,
        welcomed,
        afterMs: bye?.after,
      }
    }

    async function refused(response: IncomingMessage) {
      const status = response.statusCode
      const reason = `${endpoint.webSocket}: refused with HTTP ${status} ${visible(await start(response))}`
      end ??= { reason, final: status !== undefined && status < 500 && !TEMPORARY.has(status), welcomed }
      socket.terminate()
    }
  })
}

function afterOf(error: unknown): { afterMs?: number | undefined } {
  return error instanceof Interrupted ? { afterMs: error.afterMs } : {}
}

async function start(response: IncomingMessage): Promise<string> {
  let text = ''
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      text += chunk
      if (text.length > MAX_REFUSAL_BYTES) break
    }
  } catch {
    // what came until then has to do
  }
  return text.slice(0, MAX_REFUSAL_BYTES)
}
