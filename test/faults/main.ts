/**
 * npm run test:faults -- [--minutes N] [--seed S] [--seconds N] [--database embedded|own]
 *
 * One run after the other, with the seeds S, S + 1, …, until the time is up or one has failed; then it says which seed,
 * and what happened. A seed alone is one run.
 */
import { parseArgs } from 'node:util'
import { runFaults } from './run.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seed: { type: 'string' },
    seconds: { type: 'string', default: '40' },
    database: { type: 'string' },
  },
})
const database = values.database as 'embedded' | 'own' | undefined
const ms = Number(values.seconds) * 1000
const first = Number(values.seed ?? Math.floor(Math.random() * 1e9))
const minutes = Number(values.minutes ?? (values.seed === undefined ? 1 : 0))
if (
  !(ms > 0 && minutes >= 0 && Number.isInteger(first)) ||
  (database && !['embedded', 'own'].includes(database))
) {
  console.error(
    'usage: npm run test:faults -- [--minutes N] [--seed INTEGER] [--seconds N] [--database embedded|own]',
  )
  process.exit(2)
}
// The guard of the sandbox ends every process of the run with us (sandbox.ts).
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130))

const end = Date.now() + minutes * 60_000
for (let seed = first; ; seed++) {
  const { summary, failure } = await runFaults({ seed, ms, code: 'built', ...(database && { database }) })
  console.log(summary)
  if (failure !== undefined) {
    console.log(failure)
    process.exit(1)
  }
  if (Date.now() >= end) process.exit(0)
}
