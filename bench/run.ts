import { readOptions } from './options.ts'
import type { Line, Scenario } from './scenario.ts'
import { append } from './scenarios/append.ts'
import { appendUnderSnapshot } from './scenarios/append-under-snapshot.ts'
import { durablePublish } from './scenarios/durable-publish.ts'
import { fanOut } from './scenarios/fan-out.ts'
import { httpPublish } from './scenarios/http-publish.ts'
import { idleMemory } from './scenarios/idle-memory.ts'
import { lonePublish } from './scenarios/lone-publish.ts'
import { resumeStorm } from './scenarios/resume-storm.ts'
import { slowReader } from './scenarios/slow-reader.ts'
import { endAll } from './system/children.ts'
import { table } from './table.ts'
import { Workbench } from './workbench.ts'

const SCENARIOS: readonly Scenario[] = [
  append,
  appendUnderSnapshot,
  lonePublish,
  durablePublish,
  fanOut,
  idleMemory,
  resumeStorm,
  slowReader,
  httpPublish,
]

const options = readOptions(
  process.argv.slice(2),
  SCENARIOS.map((scenario) => scenario.name),
)
const bench = new Workbench(options)
let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    interrupted = true
    await endAll()
    await bench.close()
    process.exit(130)
  })
}

const lines: Line[] = []
for (const { name, run } of SCENARIOS) {
  if (!options.scenarios.includes(name)) continue
  try {
    lines.push(...(await bench.scenario(name, () => run(bench))))
  } catch (error) {
    if (interrupted) break
    process.exitCode = 1
    bench.progress(`failed: ${(error as Error).stack}`)
  }
}
if (!interrupted) {
  await endAll()
  await bench.close()
  console.log(table(lines))
}
