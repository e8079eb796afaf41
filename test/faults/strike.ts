import { setTimeout as sleep } from 'node:timers/promises'
import { sendSignal } from '../../src/db/postmaster.ts'
import { processesIn, processStart } from '../../src/db/running-process.ts'
import { ask, backendsOf, type Database, postmasterOf } from './database.ts'
import type { DatabaseFault, ServerFault } from './faults.ts'
import type { Random } from './random.ts'
import type { Server } from './server.ts'

/** Does it, waits as long as it says, and sets things right again. */
export async function strikeServer(fault: ServerFault, server: Server): Promise<void> {
  switch (fault.how) {
    case 'pause':
      server.pause()
      await sleep(fault.ms)
      return server.resume()
    case 'killTwice':
      await server.kill()
      await server.startInVain(fault.ms)
      return server.start()
    default:
      if (fault.how === 'kill') await server.kill()
      else await server.stop()
      await sleep(fault.ms)
      return server.start()
  }
}

const FAST_STOP_MS = 5_000
const DEADLY = {
  killAll: 'SIGKILL',
  killPostmaster: 'SIGKILL',
  immediateStop: 'SIGQUIT',
  fastStop: 'SIGINT',
} as const

export async function strikeDatabase(
  fault: DatabaseFault,
  database: Database,
  random: Random,
): Promise<void> {
  const { directory, proxy } = database
  const signal = (pids: readonly number[], name: NodeJS.Signals) => {
    for (const pid of pids) sendSignal(pid, name)
  }
  switch (fault.how) {
    case 'killAll':
    case 'killPostmaster':
    case 'immediateStop':
    case 'fastStop': {
      const postmaster = postmasterOf(directory)
      if (postmaster === undefined) return
      const born = processStart(postmaster)
      signal([postmaster], DEADLY[fault.how])
      if (fault.how === 'killAll') signal(processesIn(directory), 'SIGKILL')
      await sleep(fault.ms)
      // PostgreSQL 18 hangs if it is told to stop fast while it recovers from the death of a backend.
      for (const end = Date.now() + FAST_STOP_MS; processStart(postmaster) === born; await sleep(20)) {
        if (Date.now() > end) signal([postmaster], 'SIGQUIT')
      }
      return database.start()
    }
    case 'killBackend': {
      const backends = backendsOf(directory)
      if (backends.length > 0) signal([random.pick(backends)], 'SIGKILL')
      return
    }
    case 'pause':
    case 'pauseBackend': {
      const paused = fault.how === 'pause' ? processesIn(directory) : random.some(backendsOf(directory), 1)
      signal(paused, 'SIGSTOP')
      await sleep(fault.ms)
      return signal(paused, 'SIGCONT')
    }
    case 'terminate':
      for (let left = fault.times; left > 0; left--) {
        await terminateSome(database, random)
        await sleep(fault.everyMs)
      }
      return
    case 'cut':
      for (let left = fault.times; left > 0; left--) {
        proxy!.cut()
        await sleep(fault.everyMs)
      }
      return
    default:
      proxy![fault.how]()
      await sleep(fault.ms)
      // What was swallowed is missing in what would follow.
      if (fault.how === 'swallow' || random.chance(0.5)) proxy!.cut()
      proxy!.pass()
  }
}

/** Those that are at work, for choice. */
async function terminateSome(database: Database, random: Random): Promise<void> {
  const url = database.adminUrl()
  if (url === undefined) return
  const share = random.pick([0.3, 1])
  const text = `select count(pg_terminate_backend(pid)) from pg_stat_activity
                where application_name = 'bitacora' and (state = 'active' or random() < $1)`
  // It may be down: then there is nothing to end.
  await ask(url, (client) => client.query(text, [share])).catch(() => {})
}
