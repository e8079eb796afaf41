import { migrate } from '../../src/db/migrate.ts'
import { bulkInsert } from '../controls/bulk-insert.ts'
import type { Line, Scenario } from '../scenario.ts'
import { median } from '../statistics.ts'
import { cpuMicros } from '../system/process-cost.ts'
import { number } from '../table.ts'
import { compare, takeTurns } from '../turns.ts'
import type { AppenderCommands } from '../workers/appender.ts'
import { startWorker } from '../workers/start.ts'

/** Batch sizes, and the part of the floor that is to be reached. */
const BATCHES = [
  { events: 50, target: undefined },
  { events: 200, target: 0.55 },
  { events: 1000, target: 0.75 },
]
const TURNS_PER_ROUND = 3
/** How far the mean batch may be from what the line says. */
const BATCH_TOLERANCE = 0.1
const SILENT = { info() {}, warn() {}, error() {} }

/** The append to the log, batch after batch and the next one always in hand, against the fastest way Postgres has to fill the same table. */
export const append: Scenario = {
  name: 'append',
  async run(bench) {
    const databaseUrl = await bench.database()
    await migrate(databaseUrl, SILENT)
    const { pid, ask } = bench.keep(
      startWorker<AppenderCommands>('./appender.ts', { DATABASE_URL: databaseUrl }),
    )
    // Many short turns: a disk's mood changes within seconds.
    const rounds = bench.options.rounds * TURNS_PER_ROUND
    const seconds = bench.options.seconds / TURNS_PER_ROUND
    const lines: Line[] = []
    for (const { events, target } of BATCHES) {
      bench.progress(`batches of ${events}`)
      await ask.append({ batchEvents: events, inHand: 2, seconds: 0.5 })
      const { subject, control } = await takeTurns(
        rounds,
        async () => {
          const before = cpuMicros(pid)
          const result = await ask.append({ batchEvents: events, inHand: 2, seconds })
          if (Math.abs(result.batchEvents / events - 1) > BATCH_TOLERANCE) {
            throw new Error(`the batches had ${number(result.batchEvents)} events instead of ${events}`)
          }
          return { rate: result.eventsPerSecond, cpuMicros: (cpuMicros(pid) - before) / result.events }
        },
        () => bulkInsert(databaseUrl, seconds),
      )
      const {
        subject: ours,
        control: floor,
        ...rest
      } = compare(
        subject.map((turn) => turn.rate),
        control,
      )
      lines.push({
        what: `append, batches of ${number(events)}`,
        subject: `${number(ours)} events/s`,
        control: `bulk INSERT … SELECT ${number(floor)} rows/s`,
        ...rest,
        ...(target !== undefined && { target: { bound: 'at least' as const, value: target } }),
        cpuMicros: median(subject.map((turn) => turn.cpuMicros)),
      })
    }
    return lines
  },
}
