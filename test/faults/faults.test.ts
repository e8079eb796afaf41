import t from 'tap'
import { runFaults } from './run.ts'

// A fresh seed each time. The message of a failure says how to repeat it.
const seed = Math.floor(Math.random() * 1e9)
const MS = 22_000

t.setTimeout(300_000)

// Which processes work in the sandbox is read from /proc.
const skip = process.platform === 'linux' ? false : 'needs Linux'

for (const database of ['embedded', 'own'] as const) {
  const name = `nothing is lost, repeated or reordered, whatever is killed (${database} database)`
  t.test(name, { skip }, async (t) => {
    const { summary, failure } = await runFaults({ seed, ms: MS, database, code: 'sources' })
    t.comment(summary)
    if (failure !== undefined) t.comment(failure)
    t.ok(failure === undefined, summary)
  })
}
