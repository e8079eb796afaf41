import { ProtocolError } from '../../protocol/v1/errors.ts'
import type { Logger } from '../ops/logger.ts'
import type { Metrics } from '../ops/metrics.ts'
import { type AllowedOrigins, corsHeaders, preflight } from './cors.ts'
import { type DevTokenDeps, devToken } from './dev-token.ts'
import { type EventsDeps, events } from './events.ts'
import { type FrontPageDeps, frontPage } from './front-page.ts'
import { type HealthzDeps, healthz } from './healthz.ts'
import { metrics } from './metrics.ts'
import { type PublishDeps, publish } from './publish.ts'
import { type ReadyzDeps, readyz } from './readyz.ts'
import { refusal } from './response.ts'
import type { HttpRequest, HttpResponse, Route } from './route.ts'

/** What the routes need, and what the router adds. */
export interface RouterDeps
  extends Omit<FrontPageDeps, 'dev'>,
    HealthzDeps,
    ReadyzDeps,
    Omit<PublishDeps, 'metrics'>,
    EventsDeps {
  /** Development mode only. */
  readonly devTokens?: DevTokenDeps | undefined
  readonly allowedOrigins: AllowedOrigins
  readonly metrics: Pick<Metrics, 'contentType' | 'text' | 'errors' | 'httpResponses'>
  readonly log: Pick<Logger, 'warn' | 'error'>
}

function routesOf(deps: RouterDeps): Route[] {
  return [
    frontPage({ ...deps, dev: deps.devTokens !== undefined }),
    healthz(deps),
    readyz(deps),
    metrics(deps.metrics),
    publish(deps),
    events(deps),
    ...(deps.devTokens ? [devToken(deps.devTokens)] : []),
  ]
}

/** Answers every request that is not a WebSocket's, and never rejects. */
export function createRouter(deps: RouterDeps): (request: HttpRequest) => Promise<HttpResponse> {
  return routerOf(routesOf(deps), deps)
}

/** The same for any table of routes. */
export function routerOf(
  routes: readonly Route[],
  { allowedOrigins, metrics, log }: Pick<RouterDeps, 'allowedOrigins' | 'metrics' | 'log'>,
): (request: HttpRequest) => Promise<HttpResponse> {
  const byPath = new Map<string, Map<string, Route>>()
  for (const route of routes) {
    const methods = byPath.get(route.path) ?? new Map<string, Route>()
    byPath.set(route.path, methods.set(route.method, route))
    if (route.method === 'GET') methods.set('HEAD', route)
  }

  return async (request) => {
    const response = await answer(request)
    metrics.httpResponses.add(String(response.status))
    return request.method === 'HEAD' ? withoutBody(response) : response
  }

  async function answer(request: HttpRequest): Promise<HttpResponse> {
    const methods = byPath.get(request.path)
    if (methods === undefined) {
      return withCors(request, refuse(request, new ProtocolError('UNKNOWN_OP', 'There is no such route.')))
    }
    const allow = [...methods.keys(), 'OPTIONS'].join(', ')
    if (request.method === 'OPTIONS') return preflight(request, allowedOrigins, allow)
    const route = methods.get(request.method)
    if (route === undefined) {
      const error = new ProtocolError('UNKNOWN_OP', `This route takes ${allow}.`)
      return withCors(request, refuse(request, error, 405, { allow }))
    }
    try {
      return withCors(request, await route.handle(request))
    } catch (error) {
      return withCors(request, refuse(request, error))
    }
  }

  function refuse(request: HttpRequest, error: unknown, status?: number, headers?: Record<string, string>) {
    if (error instanceof ProtocolError) {
      metrics.errors.add(error.code)
      return refusal(error, status, headers)
    }
    // The peer learns nothing of it, the log all but the query and the headers, where a token might be.
    log.error({ err: error, method: request.method, path: request.path }, 'an HTTP request failed')
    metrics.errors.add('INTERNAL')
    return refusal(new ProtocolError('INTERNAL', 'The server failed.'))
  }

  function withCors(request: HttpRequest, response: HttpResponse): HttpResponse {
    const cors = corsHeaders(request, allowedOrigins)
    const vary = [response.headers?.vary, cors.vary].filter((part) => part !== undefined).join(', ')
    return { ...response, headers: { ...response.headers, ...cors, ...(vary ? { vary } : {}) } }
  }
}

function withoutBody({ status, headers }: HttpResponse): HttpResponse {
  return headers === undefined ? { status } : { status, headers }
}
