import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Migration {
  readonly number: number
  readonly name: string
  readonly file: string
  readonly sql: string
  /** SHA-256 of the text with its line ends as \n, so that a checkout on Windows is the same migration. */
  readonly checksum: string
}

/** Beside src in the repository, beside dist in the package. */
export const MIGRATIONS_DIRECTORY = ['../../migrations/', '../../../migrations/']
  .map((path) => fileURLToPath(new URL(path, import.meta.url)))
  .find((path, index, all) => existsSync(path) || index === all.length - 1)!

/** The numbered files of a directory, in order: 000001_log.sql, 000002_… */
export async function readMigrations(directory: string): Promise<Migration[]> {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.sql')).sort()
  if (files.length === 0) throw new Error(`no migrations in ${directory}; the installation is incomplete`)
  return Promise.all(
    files.map(async (file, index) => {
      const match = /^(\d{6})_([a-z0-9_]+)\.sql$/.exec(file)
      if (match === null || Number(match[1]) !== index + 1) {
        const expected = String(index + 1).padStart(6, '0')
        throw new Error(
          `${join(directory, file)}: migrations are numbered without a gap; expected ${expected}_<name>.sql`,
        )
      }
      const sql = (await readFile(join(directory, file), 'utf8')).replaceAll('\r\n', '\n')
      const checksum = createHash('sha256').update(sql).digest('hex')
      return { number: index + 1, name: match[2]!, file, sql, checksum }
    }),
  )
}
