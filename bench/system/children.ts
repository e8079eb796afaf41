import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Every process the bench has started and that still runs. Each is ended by its pid. */
const running = new Set<ChildProcess>()

export function track(child: ChildProcess): void {
  running.add(child)
  child.once('exit', () => running.delete(child))
}

/** Asks a process to end, and ends it by force when it has not followed in time. */
export async function end(child: ChildProcess, patienceMs = 10_000): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const force = setTimeout(() => child.kill('SIGKILL'), patienceMs)
  await exited
  clearTimeout(force)
}

export async function endAll(): Promise<void> {
  await Promise.all([...running].map((child) => end(child, 3_000)))
}
