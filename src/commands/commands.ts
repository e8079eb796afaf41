import type { ClientFrame, ClientOp } from '../../protocol/v1/frames.ts'
import { auth } from './auth.ts'
import type { Command } from './command.ts'
import { history } from './history.ts'
import { ping } from './ping.ts'
import { pong } from './pong.ts'
import { publish } from './publish.ts'
import { signal } from './signal.ts'
import { subscribe } from './subscribe.ts'
import { sync } from './sync.ts'
import { unsubscribe } from './unsubscribe.ts'

type Commands = { readonly [Op in ClientOp]?: Command<Extract<ClientFrame, { op: Op }>> }

/** Every op that is served after `hello`, one file each. An op that is not here gets UNKNOWN_OP. */
export const commands: Commands = {
  auth,
  subscribe,
  unsubscribe,
  publish,
  signal,
  history,
  sync,
  ping,
  pong,
}
