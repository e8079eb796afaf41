import { migrate } from '../../src/db/migrate.ts'
import type { Line, Scenario } from '../scenario.ts'
import { median, spread } from '../statistics.ts'
import { connect } from '../system/postgres.ts'
import type { Remote } from '../system/rpc.ts'
import { number } from '../table.ts'
import type { AppenderCommands } from '../workers/appender.ts'
import { startWorker } from '../workers/start.ts'

const SILENT = { info() {}, warn() {}, error() {} }
/** Single appends wear a hot row out fastest: a dead version for every commit. */
const LOAD_BATCH_EVENTS = 1
const LOAD_SLICE_SECONDS = 10
const PROBE_BATCHES = [1, 200]

/**
 * A snapshot held open elsewhere (a backup, an auditor's report) keeps every dead row version alive. Appends go on for
 * minutes under one; their speed at the end is compared with that before it and after it.
 */
export const appendUnderSnapshot: Scenario = {
  name: 'append-under-snapshot',
  async run(bench) {
    const databaseUrl = await bench.database()
    await migrate(databaseUrl, SILENT)
    const { ask } = bench.keep(startWorker<AppenderCommands>('./appender.ts', { DATABASE_URL: databaseUrl }))
    const { rounds, seconds, snapshotMinutes } = bench.options
    await ask.append({ batchEvents: 200, inHand: 1, seconds: 1 })
    bench.progress('without a snapshot')
    const before = await probe(ask, rounds, seconds)
    bench.progress(`${number(snapshotMinutes)} minutes under a snapshot`)
    const release = await holdSnapshot(databaseUrl)
    const endAtMs = Date.now() + snapshotMinutes * 60_000
    let commits = 0
    while (Date.now() < endAtMs) {
      const sliceSeconds = Math.min(LOAD_SLICE_SECONDS, (endAtMs - Date.now()) / 1000)
      commits += (await ask.append({ batchEvents: LOAD_BATCH_EVENTS, inHand: 1, seconds: sliceSeconds }))
        .events
    }
    const held = await probe(ask, rounds, seconds)
    await release()
    bench.progress('without a snapshot again')
    const after = await probe(ask, rounds, seconds)
    return PROBE_BATCHES.map((batchEvents, n): Line => {
      const ours = held[n]!
      const normal = median([...before[n]!, ...after[n]!])
      const batches = batchEvents === 1 ? 'one by one' : `batches of ${batchEvents}`
      return {
        what: `append ${batches}, a snapshot held for ${number(snapshotMinutes)} min and ${number(commits)} commits`,
        subject: `${number(median(ours))} events/s`,
        control: `before and after ${number(normal)}`,
        ratio: median(ours) / normal,
        spread: spread(ours.map((rate) => rate / normal)),
        target: { bound: 'at least', value: 0.8 },
      }
    })
  },
}

/** Events a second at each of the probed batch sizes, several times. */
async function probe(ask: Remote<AppenderCommands>, rounds: number, seconds: number): Promise<number[][]> {
  const rates = PROBE_BATCHES.map((): number[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [n, batchEvents] of PROBE_BATCHES.entries()) {
      rates[n]!.push((await ask.append({ batchEvents, inHand: 1, seconds })).eventsPerSecond)
    }
  }
  return rates
}

async function holdSnapshot(databaseUrl: string): Promise<() => Promise<void>> {
  const client = await connect(databaseUrl)
  await client.query('begin isolation level repeatable read')
  await client.query('select count(*) from bitacora.log')
  return async () => {
    await client.query('rollback')
    await client.end()
  }
}
