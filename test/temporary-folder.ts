import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TemporaryFolder {
  readonly path: string
  remove(): Promise<void>
}

/**
 * A folder for data directories. When it is removed, or when this process ends, however that happens, it is cleared away
 * with every Postgres that runs in it.
 */
export function temporaryFolder(mode: number): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), 'bitacora-test-'))
  chmodSync(path, mode)
  // A shell that waits for the end of its input, which is ours to hold.
  const script = `
    while read -r line; do :; done
    for cluster in "$0"/*/postgres; do
      directory=$(cd "$cluster" && pwd -P) || continue
      for process in /proc/[0-9]*; do
        if [ "$(readlink "$process/cwd")" = "$directory" ]; then kill -KILL "\${process#/proc/}"; fi
      done
      rm -rf "$directory"
    done
    rm -rf "$0" || { sleep 1; rm -rf "$0"; }`
  const guard = spawn('/bin/sh', ['-c', script, path], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const stdin = guard.stdin as Socket
  guard.unref()
  stdin.unref()
  return {
    path,
    remove: () =>
      new Promise((resolve) => {
        guard.ref()
        guard.once('exit', () => resolve())
        stdin.end()
      }),
  }
}
