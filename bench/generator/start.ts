import { fork } from 'node:child_process'
import { end, track } from '../system/children.ts'
import { type Remote, remote } from '../system/rpc.ts'
import type { GeneratorCommands } from './commands.ts'

export interface Generator {
  readonly pid: number
  readonly ask: Remote<GeneratorCommands>
  end(): Promise<void>
}

/** Starts a load generator in a process of its own. */
export function startGenerator(): Generator {
  const child = fork(new URL('../generator.ts', import.meta.url), {
    execArgv: [...process.execArgv, '--max-semi-space-size=64'],
  })
  track(child)
  return { pid: child.pid!, ask: remote<GeneratorCommands>(child), end: () => end(child) }
}
