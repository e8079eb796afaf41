import { Command } from 'commander'
import type { SettingName } from '../config/settings.ts'
import { readSettings } from '../config.ts'
import { createLogger } from '../ops/logger.ts'
import { addSettings, overridesOf } from './setting-options.ts'
import type { Terminal } from './terminal.ts'

const SETTINGS_USED = ['databaseUrl', 'dataDir', 'logLevel'] as const satisfies SettingName[]

const EXAMPLES = `
A server migrates its database when it starts; this is for those who want to do it before.

Examples:
  bitacora migrate --database-url postgres://owner:…@db.example.com/app
  bitacora migrate                                  the embedded PostgreSQL in .bitacora/`

export function migrateCommand(terminal: Terminal): Command {
  const command = new Command('migrate')
    .description('Bring the database to the schema of this version, under a lock.')
    .addHelpText('after', EXAMPLES)
    .action(async () => {
      const overrides = overridesOf(command, SETTINGS_USED)
      const { databaseUrl, dataDir, logLevel } = readSettings(SETTINGS_USED, terminal.env, overrides)
      const log = createLogger(logLevel)
      const { migrate } = await import('../db/migrate.ts')
      const embedded = databaseUrl === undefined ? await startEmbedded(dataDir) : undefined
      try {
        const done = await migrate(databaseUrl ?? embedded!.url, log)
        terminal.out(done.length === 0 ? 'nothing to do' : `applied: ${done.join(', ')}`)
      } finally {
        await embedded?.stop()
      }

      async function startEmbedded(dataDir: string) {
        const { startEmbedded } = await import('../db/embedded.ts')
        return startEmbedded({ dataDir, log })
      }
    })
  return addSettings(command, SETTINGS_USED)
}
