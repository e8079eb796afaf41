import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startEmbedded } from '../src/db/embedded.ts'
import { findBinaries, reachableBinaries } from '../src/db/embedded-binaries.ts'
import { createCluster, findPlace } from '../src/db/embedded-cluster.ts'
import type { Log } from '../src/db/log.ts'
import { endPostmaster, type Postmaster, sendSignal, urlOf } from '../src/db/postmaster.ts'
import { adopt } from '../src/db/postmaster-adopt.ts'
import { freePort, launch } from '../src/db/postmaster-launch.ts'
import { processesIn } from '../src/db/running-process.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** Set by test/run.ts: the server that all test files of a run share. */
export const SERVER_VARIABLE = 'BITACORA_TEST_SERVER'

export const silent: Log = { info() {}, warn() {}, error() {} }

/** A power cut is not among what tests do. */
const SETTINGS = { fsync: 'off', full_page_writes: 'off', max_connections: '200' }

/** A server for all tests of a run. Even if this process is killed, nothing stays behind. */
export async function startTestServer(): Promise<{ url: string; stop(): Promise<void> }> {
  const folder = temporaryFolder(0o711) // if we are root, the user that runs Postgres has to get in
  const server = await startEmbedded({ dataDir: join(folder.path, 'data'), log: silent, settings: SETTINGS })
  return {
    url: server.url,
    async stop() {
      await server.stop()
      await folder.remove()
    },
  }
}

/** A Postgres for tests that do it harm. Nobody starts it again but `start`. */
export interface HarmedPostgres {
  /** Of an empty database. It stays the same over restarts. */
  readonly url: string
  /** SIGKILL to all its processes. */
  kill9(): Promise<void>
  /** What `pg_ctl stop -m immediate` does. */
  stopImmediate(): Promise<void>
  /** SIGSTOP to all its processes: connections stay open and nothing answers. */
  pause(): void
  resume(): void
  /** After `kill9` or `stopImmediate`. Resolves when it has recovered and takes connections. */
  start(): Promise<void>
  stop(): Promise<void>
}

export async function startHarmedPostgres(): Promise<HarmedPostgres> {
  const folder = temporaryFolder(0o711)
  const place = findPlace(join(folder.path, 'data'))
  const binaries = reachableBinaries(findBinaries(), place.identity)
  const password = 'test'
  await createCluster(place, binaries, password)
  const port = await freePort()
  let postmaster: Postmaster
  const start = async () => {
    await adopt(place.directory, password, silent) // waits for what is left of the last one
    postmaster = await launch({ place, binaries, port, log: silent, settings: SETTINGS })
  }
  const signalAll = (signal: NodeJS.Signals) => {
    for (const pid of processesIn(place.directory)) sendSignal(pid, signal)
  }
  await start()
  return {
    url: urlOf(port, password, 'postgres'),
    start,
    async kill9() {
      signalAll('SIGKILL')
      while (postmaster.isAlive() || processesIn(place.directory).length > 0) await sleep(5)
    },
    stopImmediate: () => endPostmaster(postmaster, 'SIGQUIT', 10_000),
    pause() {
      sendSignal(postmaster.pid, 'SIGSTOP') // first, so that it makes no more of them
      signalAll('SIGSTOP')
    },
    resume: () => signalAll('SIGCONT'),
    async stop() {
      signalAll('SIGCONT')
      await endPostmaster(postmaster, 'SIGQUIT', 10_000)
      await folder.remove()
    },
  }
}
