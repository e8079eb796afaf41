/** The ops of version 1 by direction; SPEC.md §5 and §6 have one clause for each. */

export const CLIENT_OPS = [
  'hello',
  'auth',
  'subscribe',
  'unsubscribe',
  'join',
  'leave',
  'publish',
  'signal',
  'receipt',
  'history',
  'sync',
  'state',
  'presence',
  'status',
  'ping',
  'pong',
] as const

export const SERVER_OPS = [
  'welcome',
  'event',
  'live',
  'refresh',
  'signal',
  'receipt',
  'presence',
  'subscribed',
  'unsubscribed',
  'ping',
  'pong',
  'expiring',
  'bye',
  'ok',
  'error',
] as const

export type ClientOp = (typeof CLIENT_OPS)[number]
export type ServerOp = (typeof SERVER_OPS)[number]

/** What a server may have beyond the base and then names in `welcome.features`; the ops and HTTP routes of each (§2.7). */
export const FEATURES = {
  membership: { ops: ['join', 'leave'] },
  receipts: { ops: ['receipt'] },
  presence: { ops: ['presence', 'status'] },
  state: { ops: ['state'] },
  conversations: { ops: [] },
  enqueue: { ops: [] },
  channels: { ops: [] },
  sessions: { ops: [] },
  webhooks: { ops: [] },
} as const satisfies Record<string, { readonly ops: readonly ClientOp[] }>

export type Feature = keyof typeof FEATURES
