import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, type WriteStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
/** Arguments of node: the sources as they are, or what `npm run build` has made of them, which starts faster. */
const CLI = {
  sources: ['--import', import.meta.resolve('tsx'), root('src/cli.ts')],
  built: [root('dist/src/cli.js')],
} as const

export type Code = keyof typeof CLI

/** Even with a database that is down or paused meanwhile. */
const STOP_MS = 45_000

/** One `bitacora start`, from its launch to its end. */
export class ServerProcess {
  readonly #child: ChildProcess
  #url: string | undefined
  #asked = false
  #last = ''
  /** Resolves when it listens, or has ended before. */
  readonly started: Promise<boolean>
  /** How it ended. */
  readonly ended: Promise<string>

  constructor(
    code: Code,
    directory: string,
    settings: Readonly<Record<string, string>>,
    output: WriteStream,
  ) {
    const { PATH, HOME } = process.env
    this.#child = spawn(process.execPath, [...CLI[code], 'start'], {
      cwd: directory,
      env: { PATH, HOME, ...settings },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#url = undefined
        resolve(signal ?? `status ${code}`)
      })
    })
    this.started = new Promise((resolve) => {
      createInterface({ input: this.#child.stderr! }).on('line', (line) => {
        output.write(`${line}\n`)
        this.#last = line
        if (this.#url !== undefined || !line.includes('"msg":"listening"')) return
        this.#url = JSON.parse(line).url
        resolve(true)
      })
      void this.ended.then(() => resolve(false))
    })
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Where it listens. */
  get url(): string | undefined {
    return this.#url
  }

  /** The last line that it logged. */
  get lastLine(): string {
    return this.#last
  }

  /** Whether its end was asked for. */
  get asked(): boolean {
    return this.#asked
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  async kill(): Promise<void> {
    this.#asked = true
    this.#child.kill('SIGKILL')
    await this.ended
  }

  /** Ends it in order; returns how it ended, or that it did not. */
  async stop(): Promise<string> {
    this.#asked = true
    this.#child.kill('SIGTERM')
    const end = await Promise.race([this.ended, sleep(STOP_MS, 'not in time', { ref: false })])
    if (end === 'not in time') this.#child.kill('SIGKILL')
    return end
  }

  pause(): void {
    this.#child.kill('SIGSTOP')
  }

  resume(): void {
    this.#child.kill('SIGCONT')
  }
}

/** What all server processes of a run log, one after the other. */
export function serverOutput(directory: string): WriteStream {
  return createWriteStream(join(directory, 'server.log'))
}
