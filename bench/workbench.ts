import { readFile } from 'node:fs/promises'
import { type ControlName, startControl } from './controls/control.ts'
import { type Generator, startGenerator } from './generator/start.ts'
import type { Options } from './options.ts'
import type { MeasuredServer } from './system/measured-server.ts'
import { type BenchPostgres, run, startPostgres } from './system/postgres.ts'
import { startServer } from './system/server.ts'

/** What a scenario has at hand. Whatever it starts here is ended after it. */
export class Workbench {
  readonly options: Options
  readonly #started: { end(): Promise<void> }[] = []
  #scenario = ''
  #servers = 0
  #postgres: Promise<BenchPostgres> | undefined

  constructor(options: Options) {
    this.options = options
  }

  progress(text: string): void {
    process.stderr.write(`${this.#scenario}: ${text}\n`)
  }

  /** The URL of a new database that has the controls' table, and nothing of the server's yet. */
  async database(): Promise<string> {
    this.#postgres ??= startPostgres(this.options.databaseUrl)
    const url = await (await this.#postgres).createDatabase()
    await run(url, await readFile(new URL('./controls/messages.sql', import.meta.url), 'utf8'))
    return url
  }

  /** The server under test. */
  async server(databaseUrl: string, settings: Record<string, string> = {}): Promise<MeasuredServer> {
    const { engine, cli, profileDir } = this.options
    const name = `${this.#scenario}-${this.#servers++}`
    const profile = profileDir === undefined ? undefined : { dir: profileDir, name }
    return this.keep(await startServer({ databaseUrl, engine, cli, settings, profile }))
  }

  async control(name: ControlName, settings: Record<string, string> = {}): Promise<MeasuredServer> {
    return this.keep(await startControl(name, settings))
  }

  generator(): Generator['ask'] {
    return this.keep(startGenerator()).ask
  }

  /** Ended with the scenario, last one first. */
  keep<T extends { end(): Promise<void> }>(started: T): T {
    this.#started.push(started)
    return started
  }

  async scenario<T>(name: string, work: () => Promise<T>): Promise<T> {
    this.#scenario = name
    try {
      return await work()
    } finally {
      for (let started = this.#started.pop(); started !== undefined; started = this.#started.pop()) {
        await started.end()
      }
    }
  }

  async close(): Promise<void> {
    const postgres = await this.#postgres?.catch(() => undefined) // its failure has been told by the scenario
    await postgres?.stop()
  }
}
