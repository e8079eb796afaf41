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
