import type { Metrics } from '../ops/metrics.ts'
import type { Route } from './route.ts'

/** `GET /metrics`: for Prometheus. */
export function metrics({ contentType, text }: Pick<Metrics, 'contentType' | 'text'>): Route {
  return {
    method: 'GET',
    path: '/metrics',
    handle: async () => ({
      status: 200,
      headers: {
        'content-type': contentType,
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
      },
      body: await text(),
    }),
  }
}
