import type { HttpRequest, HttpResponse } from './route.ts'

/** `undefined`: every origin. */
export type AllowedOrigins = ReadonlySet<string> | undefined

const PREFLIGHT_AGE_S = 600

/**
 * What lets a page of another origin read the answer. Without credentials (cookies are not used here; the token is in
 * a header that the page has to know), so a plain `*` is enough where every origin is allowed.
 */
export function corsHeaders(request: HttpRequest, allowed: AllowedOrigins): Record<string, string> {
  const exposed = { 'access-control-expose-headers': 'retry-after, www-authenticate' }
  if (allowed === undefined) return { 'access-control-allow-origin': '*', ...exposed }
  const origin = request.headers.get('origin')
  // Also without a match: a cache must not hand one origin's answer to another.
  if (origin === undefined || !allowed.has(origin)) return { vary: 'origin' }
  return { vary: 'origin', 'access-control-allow-origin': origin, ...exposed }
}

/** The answer to `OPTIONS`, which browsers send before a request that carries a token. */
export function preflight(request: HttpRequest, allowed: AllowedOrigins, methods: string): HttpResponse {
  const cors = corsHeaders(request, allowed)
  if (!request.headers.has('access-control-request-method')) {
    return { status: 204, headers: { allow: methods, ...cors } }
  }
  return {
    status: 204,
    headers: {
      allow: methods,
      ...cors,
      'access-control-allow-methods': methods,
      'access-control-allow-headers': 'authorization, content-type',
      'access-control-max-age': String(PREFLIGHT_AGE_S),
    },
  }
}
