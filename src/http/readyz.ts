import { json } from './response.ts'
import type { Route } from './route.ts'

export interface ReadyzDeps {
  /** Whether the database has answered lately. The tail asks it all the time, so nobody has to wait for it here. */
  readonly databaseUp: () => boolean
  /** True from the moment the server drains. */
  readonly stopping: () => boolean
}

/** `GET /readyz`: new clients may be sent here. */
export function readyz({ databaseUp, stopping }: ReadyzDeps): Route {
  return {
    method: 'GET',
    path: '/readyz',
    handle() {
      if (stopping()) return json(503, { status: 'stopping' })
      // The peer is told that, not why: the reason may name hosts and users.
      if (!databaseUp()) return json(503, { status: 'unavailable', database: 'down' }, { 'retry-after': '1' })
      return json(200, { status: 'ready', database: 'up' })
    },
  }
}
