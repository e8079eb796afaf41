import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * When a process began, as its system tells it: with the pid it names one process for ever, because pids are reused.
 * Undefined if there is none, or only its zombie.
 */
export function processStart(pid: number): string | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined
  if (process.platform === 'linux') {
    try {
      // proc_pid_stat(5). The name, in parentheses, may hold anything; state is field 3, starttime field 22.
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
    } catch {
      return undefined
    }
  }
  return ps(pid, 'lstart')?.replaceAll(/\W+/g, '_')
}

/** The arguments of a process, or undefined. */
export function processCommand(pid: number): string | undefined {
  if (process.platform === 'linux') {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
    } catch {
      return undefined
    }
  }
  return ps(pid, 'command')
}

/** Undefined also where the system does not tell, or not to us. */
export function workingDirectory(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return undefined
  }
}

/** The processes that work in a directory, as far as the system tells. */
export function processesIn(directory: string): number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => workingDirectory(pid) === directory)
}

function ps(pid: number, column: string): string | undefined {
  try {
    const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }
    return (
      execFileSync('ps', ['-o', `${column}=`, '-p', String(pid)], { env, encoding: 'utf8' }).trim() ||
      undefined
    )
  } catch {
    return undefined
  }
}
