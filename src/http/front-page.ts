import { SUBPROTOCOLS } from '../../protocol/v1/codec.ts'
import { VERSION } from '../ops/version.ts'
import type { Route } from './route.ts'

export interface FrontPageDeps {
  readonly engine: string
  readonly dev: boolean
  /** The WebSocket endpoint's path. */
  readonly path: string
}

/** `GET /`: what runs here and how to talk to it. */
export function frontPage(deps: FrontPageDeps): Route {
  return {
    method: 'GET',
    path: '/',
    handle({ headers }) {
      const text = describe(deps, authorityOf(headers.get('host')))
      const html = headers.get('accept')?.includes('text/html') === true
      return {
        status: 200,
        headers: {
          'content-type': `text/${html ? 'html' : 'plain'}; charset=utf-8`,
          'cache-control': 'no-store',
          'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
          'referrer-policy': 'no-referrer',
          'x-content-type-options': 'nosniff',
          vary: 'accept, host',
        },
        body: html ? page(text) : text,
      }
    },
  }
}

/** The name by which the peer found us. It comes from the peer, so nothing but a host and a port gets through. */
function authorityOf(host: string | undefined): string {
  return host !== undefined && /^[A-Za-z0-9.:[\]-]{1,260}$/.test(host) ? host : 'localhost:3000'
}

function describe({ engine, dev, path }: FrontPageDeps, authority: string): string {
  const token = dev
    ? `
A token, since this is development mode:

  curl -s http://${authority}/v1/dev/token -d '{"sub":"ana"}'
`
    : `
A token comes from the application that this server belongs to.
`
  return `Bitácora ${VERSION} (${engine}): every event is a row in an append-only log, and nobody misses one.

WebSocket   ws://${authority}${path}   sub-protocols ${SUBPROTOCOLS.join(', ')}
${token}
By hand:

  wscat -c ws://${authority}${path}
  {"op":"hello","token":"TOKEN"}
  {"op":"subscribe","id":1,"channel":"room:lobby"}
  {"op":"publish","id":2,"channel":"room:lobby","type":"message:send","payload":{"text":"hi"}}

HTTP

  POST /v1/publish   one event or an array        Authorization: Bearer TOKEN
  GET  /v1/events    ?after=&limit=&wait=&epoch=  the whole log in order; role service or admin
  GET  /healthz  /readyz  /metrics
`
}

function page(text: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Bitácora</title>
<style>body{margin:2rem;font:15px/1.5 ui-monospace,monospace;color-scheme:light dark}pre{white-space:pre-wrap}</style>
<pre>${escaped}</pre>
</html>
`
}
