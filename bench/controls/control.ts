import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { end, track } from '../system/children.ts'
import { MEASURED_NODE_OPTIONS, type MeasuredServer } from '../system/measured-server.ts'

export type ControlName = 'common' | 'uws' | 'ws'

/** Starts a control in a process of its own, with the same V8 settings as the server under test. */
export async function startControl(
  name: ControlName,
  settings: Record<string, string> = {},
): Promise<MeasuredServer> {
  const child = fork(new URL(`./${name}.ts`, import.meta.url), {
    env: { ...process.env, ...settings },
    execArgv: [...process.execArgv, ...MEASURED_NODE_OPTIONS],
  })
  track(child)
  return { pid: child.pid!, port: await announcedPort(child, name), end: () => end(child) }
}

async function announcedPort(child: ChildProcess, name: string): Promise<number> {
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`the control ${name} ended at its start with ${code}`)
  })
  const [port] = await Promise.race([once(child, 'message'), exited])
  return port as number
}
