import type { Terminal } from '../../src/cli/terminal.ts'
import type { Environment } from '../../src/config.ts'

export interface TestTerminal extends Terminal {
  readonly output: string[]
  readonly notes: string[]
  /** What SIGTERM and Ctrl-C do. */
  stop(): void
  /** Resolves when the condition holds. */
  until(condition: () => boolean): Promise<void>
}

/** A terminal that nobody sits at. */
export function testTerminal(env: Environment = {}, input = ''): TestTerminal {
  const output: string[] = []
  const notes: string[] = []
  const stop = new AbortController()
  const looks = new Set<() => void>()
  const write = (to: string[]) => (text: string) => {
    to.push(text)
    for (const look of looks) look()
  }
  return {
    env,
    out: write(output),
    err: write(notes),
    colour: false,
    readInput: async () => input,
    stopSignal: () => stop.signal,
    output,
    notes,
    stop: () => stop.abort(),
    until: (condition) =>
      new Promise((resolve) => {
        const look = () => {
          if (!condition()) return
          looks.delete(look)
          resolve()
        }
        looks.add(look)
        look()
      }),
  }
}
