import type { PingFrame } from '../../protocol/v1/frames.ts'
import type { Command } from './command.ts'

export const ping: Command<PingFrame> = (caller, { id }) => caller.send({ op: 'pong', id })
