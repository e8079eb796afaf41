import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { processStart } from './running-process.ts'

/**
 * Marks a path as used by this process, and returns how to give it back. Throws if another living process has it.
 * The mark of a process that was killed counts for nothing: it names its pid and when that process began.
 */
export function lockFile(path: string, what: string): () => void {
  const mine = `${process.pid} ${processStart(process.pid)}\n`
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, mine, { mode: 0o644 })
  try {
    for (;;) {
      try {
        linkSync(draft, path) // with its content, or not at all
        return () => {
          if (read(path) === mine) rmSync(path, { force: true })
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      const theirs = read(path)
      if (theirs === undefined) continue
      const holder = living(theirs)
      if (holder !== undefined) {
        throw new Error(
          `${what} is in use by another server (process ${holder}); stop it, or use another DATA_DIR`,
        )
      }
      discard(path, theirs)
    }
  } finally {
    rmSync(draft, { force: true })
  }
}

function living(mark: string): number | undefined {
  const [pid, start] = mark.trim().split(' ')
  return start !== undefined && processStart(Number(pid)) === start ? Number(pid) : undefined
}

/** Two may find the same stale mark. Whoever moves away what the other has just put there puts it back. */
function discard(path: string, stale: string): void {
  const aside = `${path}.stale.${process.pid}`
  try {
    renameSync(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  try {
    if (read(aside) !== stale) linkSync(aside, path)
  } finally {
    rmSync(aside, { force: true })
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
