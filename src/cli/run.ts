import { Command, CommanderError } from 'commander'
import { ConfigError } from '../config.ts'
import { withoutSecrets } from '../ops/logger.ts'
import { VERSION } from '../ops/version.ts'
import { explain, UsageError } from './failure.ts'
import { migrateCommand } from './migrate.ts'
import { publishCommand } from './publish.ts'
import { startCommand } from './start.ts'
import { tailCommand } from './tail.ts'
import type { Terminal } from './terminal.ts'
import { tokenCommand } from './token.ts'

export const DONE = 0
export const FAILED = 1
export const MISUSED = 2

const EXAMPLES = `
Examples:
  bitacora start                                     a server with a database of its own
  bitacora tail room:lobby                           a live view
  bitacora publish room:lobby message:send '{"text":"hi"}'

"bitacora COMMAND --help" tells more.`

/** Runs one command line and returns the exit code. Never rejects. */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await programOf(terminal).parseAsync(argv, { from: 'user' })
    return DONE
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? DONE : MISUSED // it has told why
    if (error instanceof ConfigError) {
      terminal.err(['bitacora: the configuration cannot be used:', ...error.problems].join('\n  '))
      return MISUSED
    }
    terminal.err(`bitacora: ${withoutSecrets(explain(error))}`)
    return error instanceof UsageError ? MISUSED : FAILED
  }
}

function programOf(terminal: Terminal): Command {
  const program = new Command('bitacora')
    .description('A real-time server whose every event is a row in an append-only Postgres log.')
    .version(VERSION)
    .addHelpText('after', EXAMPLES)
  const commands = [startCommand, migrateCommand, tokenCommand, tailCommand, publishCommand]
  for (const command of commands.map((make) => make(terminal))) program.addCommand(command)
  for (const command of [program, ...program.commands]) {
    command
      .exitOverride()
      .configureOutput({
        writeOut: (text) => terminal.out(text.trimEnd()),
        writeErr: (text) => terminal.err(text.trimEnd()),
      })
      .showHelpAfterError(
        `("bitacora ${command === program ? '' : `${command.name()} `}--help" tells what is allowed)`,
      )
  }
  return program
}
