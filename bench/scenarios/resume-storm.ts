import { setTimeout as wait } from 'node:timers/promises'
import type { Generator } from '../generator/start.ts'
import { newTag, PAYLOAD } from '../load.ts'
import type { Scenario } from '../scenario.ts'
import { median } from '../statistics.ts'
import type { MeasuredServer } from '../system/measured-server.ts'
import { run } from '../system/postgres.ts'
import { cpuMicros } from '../system/process-cost.ts'
import { number } from '../table.ts'
import { hello } from '../tokens.ts'
import { compare, takeTurns } from '../turns.ts'
import type { Workbench } from '../workbench.ts'

const CLIENTS = 1000
const ROOMS = 100
const MISSED = 100
const SETTLE_MS = 500
/** Statements of the server that read events; the head of the log is asked for by way of the view `bitacora.head`. */
const EVENT_QUERIES = `
  select coalesce(sum(calls), 0)::int as calls, coalesce(sum(rows), 0)::int as rows from pg_stat_statements
  where dbid = (select oid from pg_database where datname = current_database())
    and query ~* 'bitacora\\.events' and query !~* 'pg_stat_statements'`

interface Storm {
  readonly elapsedMs: number
  /** CPU of the server for each delivered event. */
  readonly cpuMicros: number
}

/** Everybody is thrown out, misses some events and comes back at the same moment. */
export const resumeStorm: Scenario = {
  name: 'resume-storm',
  async run(bench) {
    const databaseUrl = await bench.database()
    await run(databaseUrl, 'create extension if not exists pg_stat_statements')
    const server = await bench.server(databaseUrl)
    const control = await bench.control('common', { DATABASE_URL: databaseUrl })
    const queries: number[] = []
    const { subject: ours, control: theirs } = await takeTurns(
      bench.options.rounds,
      () =>
        storm(bench, server, async (resume) => {
          const before = await run(databaseUrl, EVENT_QUERIES)
          const result = await resume()
          const after = await run(databaseUrl, EVENT_QUERIES)
          queries.push(after.rows[0].calls - before.rows[0].calls)
          return result
        }),
      () => storm(bench, control, (resume) => resume()),
    )
    const elapsed = (result: Storm) => result.elapsedMs
    const { subject, control: common, ...rest } = compare(ours.map(elapsed), theirs.map(elapsed))
    return [
      {
        what: `resume of ${number(CLIENTS)} at once, ${MISSED} events each: until all are live`,
        subject: `${number(subject)} ms`,
        control: `ws + SELECT each ${number(common)} ms`,
        ...rest,
        cpuMicros: median(ours.map((result) => result.cpuMicros)),
        controlCpuMicros: median(theirs.map((result) => result.cpuMicros)),
      },
      {
        what: 'the same: queries for events',
        subject: number(Math.max(...queries)),
        control: `ws + SELECT each ${number(CLIENTS)}`,
        ratio: Math.max(...queries) / CLIENTS,
        target: { bound: 'at most', value: 0 },
      },
    ]
  },
}

async function storm(
  bench: Workbench,
  server: MeasuredServer,
  watched: (resume: () => Promise<Storm>) => Promise<Storm>,
): Promise<Storm> {
  const { port } = server
  const generator = bench.generator()
  const rooms = Array.from({ length: ROOMS }, (_, n) => `room:storm-${n}`)
  const hellos = (position: { lastEventId?: number; epoch?: string } = {}) =>
    Array.from({ length: CLIENTS }, (_, n) =>
      hello({ user: `returning-${n}`, channels: [rooms[n % ROOMS]!], ...position }),
    )
  const { welcome } = await generator.open({ group: 'clients', port, hellos: hellos(), concurrency: 100 })
  await generator.close({ group: 'clients' })
  await generator.open({ group: 'writer', port, hellos: [hello({ user: 'writer' })], concurrency: 1 })
  await generator.send({
    publishers: 'writer',
    channels: rooms,
    payload: PAYLOAD,
    tag: newTag(),
    events: MISSED,
  })
  await wait(SETTLE_MS)
  const { pos, epoch } = JSON.parse(welcome) as { pos: number; epoch: string }
  const result = await watched(() => resume(generator, server, hellos({ lastEventId: pos, epoch })))
  await generator.close({ group: 'clients' })
  await generator.close({ group: 'writer' })
  bench.progress(`${number(result.elapsedMs)} ms`)
  return result
}

async function resume(
  generator: Generator['ask'],
  { pid, port }: MeasuredServer,
  hellos: string[],
): Promise<Storm> {
  const before = cpuMicros(pid)
  const { elapsedMs } = await generator.open({ group: 'clients', port, hellos, concurrency: CLIENTS })
  const used = cpuMicros(pid) - before
  const { events } = await generator.counts({ group: 'clients' })
  if (events !== CLIENTS * MISSED)
    throw new Error(`${events} events came back instead of ${CLIENTS * MISSED}`)
  return { elapsedMs, cpuMicros: used / events }
}
