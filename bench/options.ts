import { Command, InvalidArgumentError } from 'commander'

export interface Options {
  /** The scenarios to run, in the order of the table. */
  readonly scenarios: readonly string[]
  /** Shorter phases and fewer rounds: for a first look, not for a number to quote. */
  readonly quick: boolean
  /** How often subject and control take turns. */
  readonly rounds: number
  /** How long one turn is measured, in seconds. */
  readonly seconds: number
  /** How long a server is used before it is measured at low rates, in seconds. */
  readonly warmUpSeconds: number
  /** How long `append-under-snapshot` holds its snapshot, in minutes. */
  readonly snapshotMinutes: number
  /** The WebSocket engine of the server under test. */
  readonly engine: 'auto' | 'uws' | 'ws'
  /** Another build's dist/src/cli.js, to measure that one. */
  readonly cli: string | undefined
  /** A Postgres to use instead of one of the bench's own; the role must be allowed to create databases. */
  readonly databaseUrl: string | undefined
  /** Where the server under test writes a V8 CPU profile per scenario. */
  readonly profileDir: string | undefined
}

/** Reads the command line; `names` are the scenarios that exist. */
export function readOptions(argv: readonly string[], names: readonly string[]): Options {
  const command = new Command('npm run bench --')
    .description('Measures the built server against controls, in one table.')
    .argument('[scenario...]', `part of a scenario's name: ${names.join(', ')}`)
    .option('--quick', 'shorter phases, fewer rounds', false)
    .option('--rounds <n>', 'turns of subject and control (default 3, quick 2)', positive)
    .option('--seconds <s>', 'length of one measured turn (default 5, quick 2)', positive)
    .option('--snapshot-minutes <m>', 'how long the snapshot is held (default 10, quick 0.15)', positive)
    .option('--engine <engine>', 'auto, uws or ws', oneOf('auto', 'uws', 'ws'), 'auto')
    .option('--cli <file>', "another build's dist/src/cli.js, to measure that one")
    .option('--database-url <url>', 'a Postgres to use instead of one of its own')
    .option('--profile <dir>', 'write CPU profiles of the server to this directory')
    .parse([...argv], { from: 'user' })
  const given = command.opts()
  const chosen = new Set(command.args.flatMap((part) => matching(part, names)))
  for (const part of command.args) {
    if (matching(part, names).length > 0) continue
    command.error(`error: no scenario is called ${JSON.stringify(part)}; there are: ${names.join(', ')}`)
  }
  return {
    scenarios: names.filter((name) => chosen.size === 0 || chosen.has(name)),
    quick: given.quick,
    rounds: Math.ceil(given.rounds ?? (given.quick ? 2 : 3)),
    seconds: given.seconds ?? (given.quick ? 2 : 5),
    warmUpSeconds: given.quick ? 3 : 6,
    snapshotMinutes: given.snapshotMinutes ?? (given.quick ? 0.15 : 10),
    engine: given.engine,
    cli: given.cli,
    databaseUrl: given.databaseUrl,
    profileDir: given.profile,
  }
}

/** The scenario of that name, or those whose names contain the text. */
function matching(part: string, names: readonly string[]): readonly string[] {
  return names.includes(part) ? [part] : names.filter((name) => name.includes(part))
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('A number above 0 is needed.')
  return value
}

function oneOf(...allowed: string[]): (text: string) => string {
  return (text) => {
    if (allowed.includes(text)) return text
    throw new InvalidArgumentError(`Allowed: ${allowed.join(', ')}.`)
  }
}
