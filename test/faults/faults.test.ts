import t from 'tap'
import { runFaults } from './run.ts'

// A fresh seed each time. The message of a failure says how to repeat it.
const seed = Math.floor(Math.random() * 1e9)
const MS = 22_000

t.setTimeout(300_000)

for (const database of ['embedded', 'own'] as const) {
  t.test(`nothing is lost, repeated or reordered, whatever is killed (${database} database)`, async (t) => {
    const { ok, summary, failure } = await runFaults({ seed, ms: MS, database, code: 'sources' })
    t.comment(summary)
    if (failure !== undefined) t.comment(failure)
    t.ok(ok, summary)
  })
}
