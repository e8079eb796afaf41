import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { configurationTable } from '../../src/config/markdown.ts'
import { SETTING_NAMES, SETTINGS } from '../../src/config/settings.ts'

const readme = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'README.md')

t.test('every setting has a row of the table', async (t) => {
  const table = configurationTable()
  for (const name of SETTING_NAMES) t.ok(table.includes(`| \`${SETTINGS[name].env}\``), name)
  // Bars inside a cell are escaped, so that every row has the same cells.
  for (const row of table.trim().split('\n')) t.equal(row.replaceAll('\\|', '').split('|').length, 6, row)
})

t.test('the README holds the table', { skip: !existsSync(readme) && 'there is no README yet' }, async (t) => {
  t.ok(
    readFileSync(readme, 'utf8').includes(configurationTable()),
    `it should hold:\n${configurationTable()}`,
  )
})
