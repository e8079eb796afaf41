import type { PongFrame } from '../../protocol/v1/frames.ts'
import type { Command } from './command.ts'

/** Any frame is a sign of life, and the session has noted it already. */
export const pong: Command<PongFrame> = () => {}
