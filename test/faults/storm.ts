import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from './database.ts'
import { describe, drawFaults, type Fault } from './faults.ts'
import type { Recorder } from './history.ts'
import type { Random } from './random.ts'
import type { Server } from './server.ts'
import { strikeDatabase, strikeServer } from './strike.ts'

/** Two sequences of faults, one on the server and one on its database, for `ms` milliseconds; then all is repaired. */
export async function storm(
  server: Server,
  database: Database,
  recorder: Recorder,
  random: Random,
  ms: number,
): Promise<void> {
  const end = Date.now() + ms
  const strike = async (fault: Fault) => {
    const what = describe(fault)
    recorder.record({ is: 'fault', what })
    if (fault.to === 'server') await strikeServer(fault, server)
    else await strikeDatabase(fault, database, random)
    recorder.record({ is: 'fault', what: `over: ${what}` })
  }
  const follow = async (faults: readonly Fault[]) => {
    for (const fault of faults) {
      await sleep(Math.min(fault.afterMs, Math.max(0, end - Date.now())))
      if (Date.now() >= end) return
      await strike(fault)
    }
  }
  // If one of them fails, the other one still repairs what it has broken.
  const done = await Promise.allSettled(drawFaults(random, ms, database.proxy !== undefined).map(follow))
  for (const result of done) if (result.status === 'rejected') throw result.reason
  await sleep(Math.max(0, end - Date.now()))
  recorder.record({ is: 'fault', what: 'calm' })
}
