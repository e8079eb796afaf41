import type { Logger } from '../ops/logger.ts'
import { json } from './response.ts'
import type { Route } from './route.ts'

export interface ReadyzDeps {
  /** Rejects when the database does not answer. */
  readonly checkDatabase: () => Promise<unknown>
  /** True from the moment the server drains. */
  readonly stopping: () => boolean
  readonly log: Pick<Logger, 'warn'>
}

/** Load balancers ask every few seconds and give up early; a database that takes longer is of no use to publishers. */
const DATABASE_CHECK_MS = 2000

/** `GET /readyz`: new clients may be sent here. */
export function readyz({ checkDatabase, stopping, log }: ReadyzDeps): Route {
  return {
    method: 'GET',
    path: '/readyz',
    async handle() {
      if (stopping()) return json(503, { status: 'stopping' })
      try {
        await within(DATABASE_CHECK_MS, checkDatabase())
      } catch (err) {
        // The peer is told that, not why: the reason may name hosts and users.
        log.warn({ err }, 'not ready: the database does not answer')
        return json(503, { status: 'unavailable', database: 'down' }, { 'retry-after': '1' })
      }
      return json(200, { status: 'ready', database: 'up' })
    },
  }
}

async function within(ms: number, answer: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  try {
    await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}
