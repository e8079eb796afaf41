import { InvalidArgumentError } from 'commander'
import { isLoopback } from '../config/loopback.ts'

/** Where a server is. */
export interface Endpoint {
  readonly webSocket: string
  /** Without a slash at the end. */
  readonly http: string
  /** On this machine. */
  readonly local: boolean
}

const PATH = '/ws'

/** From either of its URLs: `ws://host:3000/ws`, `http://host:3000`, with `wss` or `https`, and behind a prefix. */
export function parseEndpoint(text: string): Endpoint {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const scheme = /^(?:ws|http)(s?):$/.exec(url?.protocol ?? '')
  if (url === undefined || scheme === null || url.search !== '' || url.hash !== '' || url.username !== '') {
    throw new InvalidArgumentError('Allowed: a URL like ws://localhost:3000/ws or https://chat.example.com.')
  }
  const prefix = url.pathname.replace(/\/+$/, '')
  const base = `${url.host}${prefix.endsWith(PATH) ? prefix.slice(0, -PATH.length) : prefix}`
  return {
    webSocket: `ws${scheme[1]}://${base}${PATH}`,
    http: `http${scheme[1]}://${base}`,
    local: isLoopback(url.hostname),
  }
}

/** The server that these settings would start on this machine. */
export function localEndpoint({ host, port }: { readonly host: string; readonly port: number }): Endpoint {
  const name = isAnyAddress(host) ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
  return parseEndpoint(`http://${name}:${port}`)
}

/** Where to listen, but nowhere to connect to. */
export function isAnyAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
