import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sendSignal } from '../../src/db/postmaster.ts'
import { workingDirectory } from '../../src/db/running-process.ts'

/** A temporary directory in which every process of a run works, so that none of them can be forgotten. */
export interface Sandbox {
  readonly directory: string
  /** Those that run, paused ones too. */
  processes(): number[]
  /** Kills what still runs and removes the directory. */
  remove(): Promise<void>
}

/** It goes away also with this process, however that ends. */
export function makeSandbox(): Sandbox {
  const directory = mkdtempSync(join(tmpdir(), 'bitacora-faults-'))
  chmodSync(directory, 0o711) // if we are root, the user that runs Postgres has to get in
  const dismiss = guard(directory)
  const processes = () => processesUnder(directory)
  return {
    directory,
    processes,
    async remove() {
      for (let left = processes(); left.length > 0; left = processes()) {
        for (const pid of left) sendSignal(pid, 'SIGKILL')
        await sleep(20)
      }
      rmSync(directory, { recursive: true, force: true })
      dismiss()
    },
  }
}

function processesUnder(directory: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => `${workingDirectory(pid)}/`.startsWith(`${directory}/`))
}

/**
 * A shell that waits for our end, ends what works in the directory, paused or not, and clears it away. SIGQUIT first, at
 * which Postgres gives its shared memory back.
 */
function guard(directory: string): () => void {
  const script = `
    while read -r line; do :; done
    for signal in CONT QUIT KILL KILL; do
      kill -$signal $(ls -l /proc/[0-9]*/cwd | sed -n "s#.* /proc/\\([0-9]*\\)/cwd -> $0.*#\\1#p")
      sleep 0.5
    done 2>/dev/null
    rm -rf "$0"`
  const child = spawn('/bin/sh', ['-c', script, directory], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const stdin = child.stdin as Socket
  child.unref()
  stdin.unref()
  return () => void stdin.end()
}
