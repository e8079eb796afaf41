import { setTimeout as sleep } from 'node:timers/promises'
import { mintToken } from '../../src/access/mint-token.ts'
import { calm } from './calm.ts'
import { check, type Violation } from './check.ts'
import { embeddedDatabase, ownDatabase } from './database.ts'
import type { World } from './follower.ts'
import { Recorder } from './history.ts'
import { Population } from './population.ts'
import { Random } from './random.ts'
import { account, figures } from './report.ts'
import { makeSandbox, type Sandbox } from './sandbox.ts'
import { SECRET, Server } from './server.ts'
import type { Code } from './server-process.ts'
import { readStoredLog, StoredLog } from './stored-log.ts'
import { storm } from './storm.ts'

export interface RunOptions {
  readonly seed: number
  /** How long faults happen, in milliseconds. */
  readonly ms: number
  /** `embedded`: the server's own Postgres, as with `npm start`. `own`: one beside it. Undefined: the seed decides. */
  readonly database?: 'embedded' | 'own'
  readonly code: Code
}

export interface Report {
  /** One line. */
  readonly summary: string
  /** What was not as it should be, and how to see it again. Undefined: nothing. */
  readonly failure: string | undefined
}

/** Lets clients and faults loose on a server, waits for calm, and holds what the clients saw against the log. */
export async function runFaults({ seed, ms, database, code }: RunOptions): Promise<Report> {
  const began = Date.now()
  const random = new Random(seed)
  const kind = database ?? random.pick(['embedded', 'own'] as const)
  const recorder = new Recorder()
  const sandbox = makeSandbox()
  const problems: string[] = []
  let log = new StoredLog([])
  let violations: Violation[] = []
  let failure: string | undefined
  try {
    try {
      log = await run(kind, code, ms, random, recorder, sandbox, problems)
      violations = check(recorder, log)
    } catch (error) {
      problems.push(`the run itself failed: ${(error as Error).stack}`)
    }
    violations.unshift(...problems.map((what) => ({ what })))
    if (violations.length > 0) {
      const again = `npm run test:faults -- --seed ${seed} --database ${kind} --seconds ${ms / 1000}`
      failure = `${account(`${seed}-${kind}`, violations, recorder, log, sandbox.directory)}\nAgain: ${again}`
    }
  } finally {
    await sandbox.remove()
  }
  const seconds = Math.round((Date.now() - began) / 1000)
  const verdict = failure === undefined ? 'ok' : 'FAILED'
  return { summary: `seed ${seed} (${kind}), ${seconds} s: ${figures(recorder, log)}: ${verdict}`, failure }
}

async function run(
  kind: 'embedded' | 'own',
  code: Code,
  ms: number,
  random: Random,
  recorder: Recorder,
  sandbox: Sandbox,
  problems: string[],
): Promise<StoredLog> {
  const { directory } = sandbox
  const closers: (() => unknown)[] = []
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer()
  }
  try {
    const database = kind === 'own' ? await ownDatabase(directory) : embeddedDatabase(directory)
    closers.push(() => database.close())
    const settings = random.fork('settings')
    const server = new Server({
      code,
      directory,
      databaseUrl: database.url,
      recorder,
      random: settings,
      problems,
    })
    closers.push(() => server.close())
    if (random.chance(0.3)) await server.startInVain(random.integer(0, 3_000))
    await server.start()
    const population = new Population(worldOf(server, recorder), random.fork('population'))
    closers.push(() => population.end())

    await storm(server, database, recorder, random.fork('storm'), ms)
    await calm(server, database, population, problems)
    const log = await database.audit(readStoredLog)
    await close()
    for (const end = Date.now() + ENDING_MS; sandbox.processes().length > 0 && Date.now() < end; )
      await sleep(50)
    const left = sandbox.processes()
    if (left.length > 0) problems.push(`processes were left behind: ${left.join(', ')}`)
    return log
  } finally {
    await close()
  }
}

/** For processes that end because those that started them have ended. */
const ENDING_MS = 5_000

function worldOf(server: Server, recorder: Recorder): World {
  const tokens = new Map<string, Promise<string>>()
  return {
    recorder,
    url: () => server.url,
    token(user, role) {
      const token = tokens.get(user) ?? mintToken(SECRET, { sub: user, role }, { ttlSeconds: 86_400 })
      tokens.set(user, token)
      return token
    },
  }
}
