import { checkFrames } from './check-frames.ts'
import { checkLog } from './check-log.ts'
import { checkOrder } from './check-order.ts'
import { checkPages } from './check-pages.ts'
import { checkPublishes } from './check-publishes.ts'
import { checkStreams } from './check-streams.ts'
import type { History } from './history.ts'
import type { StoredLog } from './stored-log.ts'

/** A promise that was not kept. */
export interface Violation {
  readonly what: string
  /** The place in History.entries where it shows. */
  readonly at?: number
  readonly connection?: string
  readonly messageId?: string | undefined
  readonly eventId?: number | undefined
}

/** Holds what clients saw against the log that is there in the end. The first violation in time is the first one. */
export function check(history: History, log: StoredLog): Violation[] {
  const violations = [
    ...checkLog(log),
    ...checkPublishes(history, log),
    ...checkOrder(history, log),
    ...checkFrames(history, log),
    ...checkPages(history, log),
    ...checkStreams(history, log),
  ]
  return violations.sort((a, b) => (a.at ?? -1) - (b.at ?? -1))
}
