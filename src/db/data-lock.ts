import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { processStart } from './running-process.ts'

const ATTEMPTS = 20
const RETRY_MS = 50
const HELD = 'held\n'

/**
 * Locks a path for this process and returns how to give it back. Throws if another living process has it.
 *
 * Each process puts down a mark of its own, `<path>.<pid>-<start of the process>`, and then looks for others: of two that
 * come at once, at least one sees the other. Nobody else will ever have that name, so a mark whose process is gone can be
 * removed by anyone at any time; a single lock file that changes hands could not.
 */
export async function lockPath(path: string, what: string): Promise<() => void> {
  const mark = `${path}.${process.pid}-${processStart(process.pid)}`
  const inUse = (pid: string | number) =>
    new Error(`${what} is in use by another server (process ${pid}); stop it, or use another DATA_DIR`)
  for (let attempt = 1; ; attempt++) {
    try {
      writeFileSync(mark, '', { flag: 'wx' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw inUse(process.pid)
      throw error
    }
    const others = livingMarks(path).filter((other) => other.file !== mark)
    if (others.length === 0) {
      writeFileSync(mark, HELD)
      return () => rmSync(mark, { force: true })
    }
    rmSync(mark)
    const holder = others.find((other) => isHeld(other.file))
    if (holder !== undefined) throw inUse(holder.pid)
    if (attempt === ATTEMPTS) throw inUse(others[0]!.pid)
    await sleep(Math.random() * RETRY_MS * attempt) // they came at the same moment and step back as well
  }
}

function livingMarks(path: string): { file: string; pid: number }[] {
  const folder = dirname(path)
  const living: { file: string; pid: number }[] = []
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(`${basename(path)}.`)) continue
    const [, pid, start] = /^(\d+)-(\w+)$/.exec(name.slice(basename(path).length + 1)) ?? []
    if (pid === undefined) continue
    const file = join(folder, name)
    if (processStart(Number(pid)) === start) living.push({ file, pid: Number(pid) })
    else rmSync(file, { force: true })
  }
  return living
}

function isHeld(file: string): boolean {
  try {
    return readFileSync(file, 'utf8') === HELD
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
