import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { mintToken } from '../../src/access/mint-token.ts'
import { check, type Violation } from './check.ts'
import { ask, type Database, embeddedDatabase, ownDatabase } from './database.ts'
import { explain, sentence } from './explain.ts'
import { describe, drawFaults, type Fault } from './faults.ts'
import type { World } from './follower.ts'
import { type Entry, type History, Recorder } from './history.ts'
import { databaseConnections, openDescriptors, serverGauges } from './leftovers.ts'
import { Population } from './population.ts'
import { Random } from './random.ts'
import { makeSandbox } from './sandbox.ts'
import { SECRET, Server } from './server.ts'
import type { Code } from './server-process.ts'
import { readStoredLog, StoredLog } from './stored-log.ts'
import { strikeDatabase, strikeServer } from './strike.ts'

export interface RunOptions {
  readonly seed: number
  /** How long faults happen, in milliseconds. */
  readonly ms: number
  /** `embedded`: the server's own Postgres, as with `npm start`. `own`: one beside it. Undefined: the seed decides. */
  readonly database?: 'embedded' | 'own'
  readonly code: Code
}

export interface Report {
  readonly ok: boolean
  /** One line. */
  readonly summary: string
  /** Of a run that failed: what happened, and where all of it is written. */
  readonly failure: string | undefined
}

/** For everything to be acknowledged and delivered after the last fault. */
const SETTLE_MS = 60_000

/** Lets clients and faults loose on a server, then calm return, then holds what clients saw against the log. */
export async function runFaults({ seed, ms, database: kind, code }: RunOptions): Promise<Report> {
  const began = Date.now()
  const random = new Random(seed)
  const chosen = kind ?? random.pick(['embedded', 'own'] as const)
  const recorder = new Recorder()
  const sandbox = makeSandbox()
  const problems: string[] = []
  let database: Database | undefined
  let server: Server | undefined
  let log: StoredLog | undefined
  let failed = ''
  try {
    const { directory } = sandbox
    database = chosen === 'own' ? await ownDatabase(directory) : embeddedDatabase(directory)
    server = new Server({
      code,
      directory,
      databaseUrl: database.url,
      recorder,
      random: random.fork('settings'),
    })
    log = await storm(server, database, recorder, random, ms, problems)
    problems.push(...server.surprises)
    await server.close()
    await database.close()
    for (const end = Date.now() + 5_000; sandbox.processes().length > 0 && Date.now() < end; ) await sleep(50)
    const left = sandbox.processes()
    if (left.length > 0) problems.push(`processes were left behind: ${left.join(', ')}`)
    const violations: Violation[] = [...problems.map((what) => ({ what })), ...check(recorder, log)]
    if (violations.length > 0) failed = account(violations, recorder, log, seed, chosen, ms, directory)
  } catch (error) {
    const violations = [...problems, `the run itself failed: ${(error as Error).stack}`].map((what) => ({
      what,
    }))
    failed = account(violations, recorder, log ?? new StoredLog([]), seed, chosen, ms, sandbox.directory)
  } finally {
    await sandbox.remove()
  }
  const seconds = Math.round((Date.now() - began) / 1000)
  const summary = `seed ${seed} (${chosen}), ${seconds} s: ${figures(recorder, log, server)}: ${failed === '' ? 'ok' : 'FAILED'}`
  return { ok: failed === '', summary, failure: failed === '' ? undefined : failed }
}

async function storm(
  server: Server,
  database: Database,
  recorder: Recorder,
  random: Random,
  ms: number,
  problems: string[],
): Promise<StoredLog> {
  if (random.chance(0.3)) await server.startInVain(random.integer(0, 3_000))
  await server.start()
  const tokens = new Map<string, Promise<string>>()
  const world: World = {
    recorder,
    url: () => server.url,
    token(user, role) {
      const token = tokens.get(user) ?? mintToken(SECRET, { sub: user, role }, { ttlSeconds: 86_400 })
      tokens.set(user, token)
      return token
    },
  }
  const population = new Population(world, random.fork('population'))
  const end = Date.now() + ms
  const strike = random.fork('strikes')
  const follow = async (faults: readonly Fault[]) => {
    for (const fault of faults) {
      await sleep(Math.min(fault.afterMs, Math.max(0, end - Date.now())))
      if (Date.now() >= end) return
      recorder.record({ is: 'fault', what: describe(fault) })
      if (fault.to === 'server') await strikeServer(fault, server)
      else await strikeDatabase(fault, database, strike)
      recorder.record({ is: 'fault', what: `over: ${describe(fault)}` })
    }
  }
  await Promise.all(drawFaults(random, ms, database.proxy !== undefined).map(follow))
  await sleep(Math.max(0, end - Date.now()))
  recorder.record({ is: 'fault', what: 'calm' })
  population.calm()

  const head = () =>
    ask(database.adminUrl()!, (client) => client.query('select max(id)::int as id from bitacora.events'))
  for (const end = Date.now() + SETTLE_MS; Date.now() < end; await sleep(100)) {
    const answer = await head().catch(() => undefined)
    if (answer !== undefined && population.settled(answer.rows[0].id)) break
  }
  for (const user of population.waiting)
    problems.push(`${user} was not answered in ${SETTLE_MS / 1000} s of calm`)
  const connections = await databaseConnections(database.adminUrl()!)
  if (connections.all > server.databasePool || connections.inTransaction > 0)
    problems.push(
      `the server has ${JSON.stringify(connections)} connections to its database, of ${server.databasePool}`,
    )
  await population.end()
  problems.push(...(await serverGauges(server.url!)))
  const descriptors = openDescriptors(server.pid!)
  if (descriptors > MAX_DESCRIPTORS)
    problems.push(`the server has ${descriptors} open files without any client`)
  await server.stop()
  if (database.url !== undefined) {
    const after = await databaseConnections(database.adminUrl()!)
    if (after.all > 0) problems.push(`${after.all} connections to the database outlive the server`)
  }
  return database.audit(readStoredLog)
}

/** Of a server without clients: its event loop's, its engine's, and its connections to the database. */
const MAX_DESCRIPTORS = 50

function figures({ entries }: History, log: StoredLog | undefined, server: Server | undefined): string {
  const count = (fits: (entry: Entry) => boolean) => entries.filter(fits).length
  const closes = new Map<string, number>()
  const refusals = new Map<string, number>()
  const asked = new Map<string, number>()
  let slowest = 0
  for (const entry of entries) {
    if (entry.is === 'publish') asked.set(`${entry.connection} ${entry.request}`, entry.ms)
    if (entry.is === 'acknowledged' || entry.is === 'refused')
      slowest = Math.max(slowest, entry.ms - (asked.get(`${entry.connection} ${entry.request}`) ?? entry.ms))
    if (entry.is === 'closed') add(closes, `${entry.by} ${entry.code}`)
    if (entry.is === 'refused') add(refusals, entry.code)
  }
  return [
    `${log?.events.length ?? 0} events`,
    `${count((entry) => entry.is === 'event')} deliveries`,
    `${count((entry) => entry.is === 'acknowledged' && entry.duplicate)} acknowledged again`,
    `refused ${listed(refusals)}`,
    `slowest reply ${(slowest / 1000).toFixed(1)} s`,
    `${count((entry) => entry.is === 'fault' && entry.what.startsWith('over: '))} faults`,
    `${server?.starts ?? 0} server processes`,
    `${count((entry) => entry.is === 'welcome')} sessions`,
    `${count((entry) => entry.is === 'synced')} rewinds`,
    `closed ${listed(closes)}`,
  ].join(', ')
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

function listed(counts: ReadonlyMap<string, number>): string {
  return `(${[...counts].map(([name, count]) => `${name}: ${count}`).join(', ')})`
}

/** Writes everything down that helps to understand what went wrong, and says the most important of it. */
function account(
  violations: readonly Violation[],
  history: History,
  log: StoredLog,
  seed: number,
  database: string,
  ms: number,
  directory: string,
): string {
  const kept = join(tmpdir(), `bitacora-faults-seed-${seed}-${database}`)
  mkdirSync(kept, { recursive: true })
  const lines = history.entries.map((entry, place) => `${place} ${sentence(entry, history)}\n`)
  writeFileSync(join(kept, 'history.log'), lines.join(''))
  writeFileSync(join(kept, 'events.jsonl'), log.events.map((event) => `${JSON.stringify(event)}\n`).join(''))
  writeFileSync(
    join(kept, 'violations.log'),
    violations.map((violation) => `${JSON.stringify(violation)}\n`).join(''),
  )
  for (const path of ['server.log', 'data/postgres.log', 'database/postgres.log']) {
    const from = join(directory, path)
    if (existsSync(from)) copyFileSync(from, join(kept, path.replace('/', '-')))
  }
  return [
    `${violations.length} violations; the first one:`,
    explain(violations[0]!, history, log),
    '',
    `Everything is in ${kept}`,
    `Again: npm run test:faults -- --seed ${seed} --database ${database} --seconds ${ms / 1000}`,
  ].join('\n')
}
