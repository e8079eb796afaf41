import { fork } from 'node:child_process'
import { end, track } from '../system/children.ts'
import { MEASURED_NODE_OPTIONS } from '../system/measured-server.ts'
import { type Remote, remote } from '../system/rpc.ts'

export interface Worker<Commands> {
  readonly pid: number
  readonly ask: Remote<Commands>
  end(): Promise<void>
}

/** Starts a process that does one job for a scenario; `file` lies beside this one. */
export function startWorker<Commands>(
  file: string,
  environment: Record<string, string> = {},
): Worker<Commands> {
  const child = fork(new URL(file, import.meta.url), {
    env: { ...process.env, ...environment },
    execArgv: [...process.execArgv, ...MEASURED_NODE_OPTIONS],
  })
  track(child)
  return { pid: child.pid!, ask: remote<Commands>(child), end: () => end(child) }
}
