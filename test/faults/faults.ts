import type { Random } from './random.ts'

/** What is done to the server's process. `ms`: for how long it is away. */
export type ServerFault =
  | { readonly to: 'server'; readonly how: 'kill' | 'stop' | 'pause'; readonly ms: number }
  /** Killed, and killed again while it starts. */
  | { readonly to: 'server'; readonly how: 'killTwice'; readonly ms: number }

/** What is done to Postgres, or to the way there. `ms`: for how long it is away. */
export type DatabaseFault =
  | {
      readonly to: 'database'
      readonly how: 'killAll' | 'killPostmaster' | 'immediateStop' | 'fastStop' | 'pause' | 'pauseBackend'
      readonly ms: number
    }
  /** One backend; Postgres then restarts all of them by itself. */
  | { readonly to: 'database'; readonly how: 'killBackend' }
  /** pg_terminate_backend, so many times. */
  | { readonly to: 'database'; readonly how: 'terminate'; readonly times: number; readonly everyMs: number }
  /** The proxy; only where there is one. */
  | { readonly to: 'database'; readonly how: 'stall' | 'swallow' | 'tear'; readonly ms: number }
  | { readonly to: 'database'; readonly how: 'cut'; readonly times: number; readonly everyMs: number }

export type Fault = (ServerFault | DatabaseFault) & {
  /** Of peace after the fault before is over. */
  readonly afterMs: number
}

/** The faults of a run of `ms` milliseconds, drawn: two sequences, which overlap. No time is counted for the repair. */
export function drawFaults(random: Random, ms: number, proxied: boolean): readonly [Fault[], Fault[]] {
  const server = random.fork('server faults')
  const database = random.fork('database faults')
  return [
    sequence(ms, () => {
      const afterMs = server.pick([server.integer(0, 1_000), server.integer(1_000, 8_000)])
      return { ...drawServerFault(server), afterMs }
    }),
    sequence(ms, () => {
      const afterMs = database.pick([database.integer(0, 300), database.integer(300, 3_000)])
      return { ...drawDatabaseFault(database, proxied), afterMs }
    }),
  ]
}

function sequence(ms: number, draw: () => Fault): Fault[] {
  const faults: Fault[] = []
  for (let left = ms; left > 0; ) {
    const fault = draw()
    faults.push(fault)
    left -= fault.afterMs + ('ms' in fault ? fault.ms : 0)
  }
  return faults
}

function drawServerFault(random: Random): ServerFault {
  const how = random.weighted({ kill: 5, stop: 2, pause: 3, killTwice: 1 })
  if (how === 'pause') return { to: 'server', how, ms: random.pick([50, 400, 1_500, 4_000]) }
  if (how === 'killTwice') return { to: 'server', how, ms: random.integer(50, 2_000) }
  return { to: 'server', how, ms: random.pick([0, 200, 1_500]) }
}

const DATABASE = { killAll: 1, killPostmaster: 1, immediateStop: 2, fastStop: 1, pause: 3, pauseBackend: 3 }
const DATABASE_ALWAYS = { ...DATABASE, killBackend: 1, terminate: 5 }
const PROXIED = { ...DATABASE_ALWAYS, stall: 1, swallow: 5, tear: 3, cut: 3 }

function drawDatabaseFault(random: Random, proxied: boolean): DatabaseFault {
  const how = random.weighted<keyof typeof PROXIED>(
    proxied ? PROXIED : { ...DATABASE_ALWAYS, stall: 0, swallow: 0, tear: 0, cut: 0 },
  )
  switch (how) {
    case 'killBackend':
      return { to: 'database', how }
    case 'terminate':
    case 'cut':
      return { to: 'database', how, times: random.integer(1, 20), everyMs: random.pick([1, 10, 100]) }
    case 'pause':
    case 'pauseBackend':
    case 'stall':
    case 'swallow':
      return { to: 'database', how, ms: random.pick([30, 300, 1_200, 3_500, 6_000]) }
    case 'tear':
      return { to: 'database', how, ms: random.pick([10, 200, 1_000]) }
    default:
      return { to: 'database', how, ms: random.pick([0, 0, 500, 2_500]) }
  }
}

/** In words, for the history. */
export function describe({ afterMs: _, to, how, ...rest }: Fault): string {
  const figures = Object.entries(rest).map(([name, value]) => `${name} ${value}`)
  return [`${to}: ${how}`, ...figures].join(', ')
}
