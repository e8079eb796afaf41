import { VERSION } from '../ops/version.ts'
import { json } from './response.ts'
import type { Route } from './route.ts'

export interface HealthzDeps {
  readonly engine: string
  /** The version of the database server, once it is known. */
  readonly postgresVersion: () => string | undefined
}

/** `GET /healthz`: the process lives. It asks nobody else, so that a database away does not get the process killed. */
export function healthz({ engine, postgresVersion }: HealthzDeps): Route {
  return {
    method: 'GET',
    path: '/healthz',
    handle: () =>
      json(200, {
        status: 'ok',
        uptime: Math.round(process.uptime() * 1000) / 1000,
        engine,
        versions: { server: VERSION, protocol: 1, node: process.versions.node, postgres: postgresVersion() },
      }),
  }
}
