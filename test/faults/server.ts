import { setTimeout as sleep } from 'node:timers/promises'
import type { Recorder } from './history.ts'
import type { Random } from './random.ts'
import { type Code, ServerProcess, serverOutput } from './server-process.ts'

export const SECRET = 'a secret for the fault tests, of more than 32 bytes'
export const LISTENS = 'the server listens'
/** For all attempts together; each may find the database down. */
const START_MS = 90_000

export interface ServerOptions {
  readonly code: Code
  /** Where it works and keeps its data. */
  readonly directory: string
  /** Undefined: it starts a Postgres of its own. */
  readonly databaseUrl: string | undefined
  readonly recorder: Recorder
  readonly random: Random
  /** Gets what it does that nobody has asked for. */
  readonly problems: string[]
}

/** The server under test: one process after the other, each with the other engine and other limits. */
export class Server {
  readonly #options: ServerOptions
  readonly #output
  #process: ServerProcess | undefined
  #starts = 0
  #settings: Record<string, string> = {}

  constructor(options: ServerOptions) {
    this.#options = options
    this.#output = serverOutput(options.directory)
  }

  get url(): string | undefined {
    return this.#process?.url
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Connections to the database that the present process may have. */
  get databasePool(): number {
    return Number(this.#settings.DB_POOL_SIZE)
  }

  /** Resolves when one listens. One that does not come up, because its database is away, is started again. */
  async start(): Promise<void> {
    const { recorder } = this.#options
    for (const deadline = Date.now() + START_MS; ; ) {
      const process = this.#launch()
      if (await process.started) {
        void this.#watch(process)
        return recorder.record({ is: 'fault', what: `${LISTENS} (${this.#settings.ENGINE})` })
      }
      recorder.record({ is: 'fault', what: `the server did not start: ${process.lastLine}` })
      if (process.asked) return
      if (Date.now() > deadline) {
        this.#options.problems.push(`the server does not start any more: ${process.lastLine}`)
        return
      }
      await sleep(300)
    }
  }

  /** Begins to start, and is killed on the way. */
  async startInVain(ms: number): Promise<void> {
    const process = this.#launch()
    await sleep(ms)
    await process.kill()
  }

  async kill(): Promise<void> {
    await this.#process?.kill()
  }

  /** SIGTERM. */
  async stop(): Promise<void> {
    if (this.#process?.running !== true) return
    const end = await this.#process.stop()
    if (end !== 'status 0') this.#options.problems.push(`SIGTERM ended the server with ${end}`)
  }

  pause(): void {
    this.#process?.pause()
  }

  resume(): void {
    this.#process?.resume()
  }

  async close(): Promise<void> {
    await this.kill()
    this.#output.end()
  }

  #launch(): ServerProcess {
    const { code, directory } = this.#options
    this.#settings = this.#drawSettings()
    this.#process = new ServerProcess(code, directory, this.#settings, this.#output)
    this.#starts++
    return this.#process
  }

  async #watch(process: ServerProcess): Promise<void> {
    const end = await process.ended
    if (!process.asked) this.#options.problems.push(`the server ended by itself: ${end}; ${process.lastLine}`)
  }

  #drawSettings(): Record<string, string> {
    const { databaseUrl, random } = this.#options
    const draw = (...values: number[]) => String(random.pick(values))
    const heartbeatMs = draw(1_000, 5_000)
    return {
      PORT: '0',
      DATA_DIR: 'data',
      JWT_SECRET: SECRET,
      ...(databaseUrl !== undefined && { DATABASE_URL: databaseUrl }),
      ENGINE: this.#starts % 2 === 0 ? 'uws' : 'ws',
      RATE_LIMITS: 'off',
      LOG_LEVEL: 'info',
      DRAIN_MS: '300',
      // Who reads nothing for a while is found out by the heartbeat, or by the buffer that it fills.
      HEARTBEAT_MS: heartbeatMs,
      HEARTBEAT_TIMEOUT_MS: heartbeatMs,
      // Never a reason for a refresh.
      REPLAY_MAX_EVENTS: '10000000',
      REPLAY_MAX_AGE_MS: String(365 * 24 * 3600 * 1000),
      // Small enough that a resume comes from the window, from Postgres, and from both.
      WINDOW_BYTES: draw(0, 20_000, 500_000, 64_000_000),
      WINDOW_MS: draw(300, 5_000, 600_000),
      MAX_FRAME_BYTES: '16384',
      SEND_BUFFER_BYTES: draw(32_768, 100_000, 1_048_576),
      PUBLISH_TIMEOUT_MS: draw(400, 1_500, 4_000),
      HEAD_CHECK_MS: draw(20, 250, 1_000),
      DB_POOL_SIZE: draw(2, 3, 8),
    }
  }
}
