import { readdirSync, readFileSync } from 'node:fs'

/**
 * CPU time that a process has used since its start, in microseconds, as the operating system counts it: user and
 * system time of all its threads, in nanoseconds from `schedstat`; where the kernel has none, the process's
 * utime + stime in clock ticks of 10 ms.
 */
export function cpuMicros(pid: number): number {
  let nanoseconds = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ', 1)[0])
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error // a thread that has just ended
    }
  }
  return nanoseconds > 0 ? nanoseconds / 1000 : ticks(pid) * 10_000
}

function ticks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

/** Memory of a process that is in RAM, in bytes. */
export function residentBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
  if (match === null) throw new Error(`process ${pid} has no VmRSS`)
  return Number(match[1]) * 1024
}
