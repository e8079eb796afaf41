import { execFile, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Identity, SYSTEM_DIRECTORY } from './embedded-binaries.ts'

/** Where the cluster of a data directory lies, and as whom it runs. */
export interface Place {
  readonly dataDir: string
  /** The cluster itself, without links. */
  readonly directory: string
  readonly identity: Identity | undefined
}

/** Postgres gets the least of environments: no PG… or LD_… variable of ours should reach it. */
export const POSTGRES_ENV = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

/**
 * An ordinary user has everything inside the data directory. Root has to run Postgres as another user; if that user
 * cannot reach the data directory, the cluster lies elsewhere and `postgres` in the data directory is a link to it.
 */
export function findPlace(path: string): Place {
  const root = process.getuid?.() === 0
  mkdirSync(path, { recursive: true, mode: root ? 0o711 : 0o700 })
  const dataDir = realpathSync(path)
  const link = join(dataDir, 'postgres')
  const entry = lstatSync(link, { throwIfNoEntry: false })
  if (entry !== undefined) {
    if (!existsSync(link)) {
      throw new Error(
        `${link} points to a database that is not there any more; restore it, or remove the link to begin with an empty one`,
      )
    }
    const directory = realpathSync(link)
    const { uid, gid } = statSync(directory)
    return { dataDir, directory, identity: ownerOf(directory, uid, gid) }
  }
  if (!root) return { dataDir, directory: link, identity: undefined }
  const identity = nobody()
  if (canEnter(dataDir, identity)) return { dataDir, directory: link, identity }
  const hash = createHash('sha256').update(dataDir).digest('hex').slice(0, 16)
  return { dataDir, directory: join(SYSTEM_DIRECTORY, hash), identity }
}

function ownerOf(directory: string, uid: number, gid: number): Identity | undefined {
  const me = process.getuid?.()
  if (me === undefined) return undefined
  if (me !== 0) {
    if (uid === me) return undefined
    throw new Error(
      `${directory} belongs to another user (uid ${uid}); start the server as that user or as root`,
    )
  }
  if (uid === 0) {
    throw new Error(
      `${directory} belongs to root, as whom PostgreSQL does not run; chown -R it to another user, such as nobody`,
    )
  }
  const identity = { uid, gid }
  if (!canEnter(directory, identity)) {
    throw new Error(
      `${directory} cannot be reached by its owner (uid ${uid}); open the folders above it: chmod o+x`,
    )
  }
  return identity
}

function nobody(): Identity {
  const line = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'))
  if (line === null)
    throw new Error('PostgreSQL does not run as root and there is no user nobody; set DATABASE_URL')
  return { uid: Number(line[1]), gid: Number(line[2]) }
}

function canEnter(directory: string, identity: Identity): boolean {
  return (
    spawnSync('/bin/sh', ['-c', 'cd "$0"', directory], { cwd: '/', env: POSTGRES_ENV, ...identity })
      .status === 0
  )
}

/** Makes the cluster if there is none yet. Call it with the lock held. */
export async function initialise(place: Place, binaries: string, password: string): Promise<void> {
  const { directory, identity, dataDir } = place
  const link = join(dataDir, 'postgres')
  if (existsSync(join(directory, 'PG_VERSION')) && existsSync(link)) return checkVersion(directory, binaries)
  if (existsSync(directory)) {
    // The data directory was removed, and what it pointed to is left over. It is not ours to delete.
    renameSync(directory, `${directory}.orphan-${Date.now()}`)
  }
  const draft = `${directory}.new`
  rmSync(draft, { recursive: true, force: true })
  mkdirSync(draft, { recursive: true, mode: 0o700 })
  const passwordFile = `${directory}.password-${randomBytes(6).toString('hex')}`
  try {
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600, flag: 'wx' })
    if (identity !== undefined) {
      for (const path of [draft, passwordFile]) chownSync(path, identity.uid, identity.gid)
    }
    await promisify(execFile)(
      join(binaries, 'bin', 'initdb'),
      [
        `--pgdata=${draft}`,
        '--username=postgres',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--no-instructions',
        ...[
          'max_connections=50',
          'shared_buffers=128MB',
          'max_wal_size=2GB',
          'timezone=UTC',
          'log_timezone=UTC',
        ].flatMap((setting) => ['--set', setting]),
      ],
      { cwd: '/', env: POSTGRES_ENV, ...identity },
    )
    chmodSync(draft, 0o700)
    renameSync(draft, directory)
  } catch (cause) {
    const { stderr } = cause as { stderr?: string }
    throw new Error(
      `the embedded PostgreSQL could not make its database in ${draft}: ${stderr?.trim() || cause}`,
      { cause },
    )
  } finally {
    rmSync(passwordFile, { force: true })
    rmSync(draft, { recursive: true, force: true })
  }
  if (directory !== link) symlinkSync(directory, link)
}

function checkVersion(directory: string, binaries: string): void {
  const theirs = readFileSync(join(directory, 'PG_VERSION'), 'utf8').trim()
  const { stdout } = spawnSync(join(binaries, 'bin', 'postgres'), ['--version'], {
    encoding: 'utf8',
    env: POSTGRES_ENV,
  })
  const ours = /(\d+)\./.exec(stdout)?.[1]
  if (ours !== theirs) {
    throw new Error(
      `${directory} was made by PostgreSQL ${theirs} and this installation brings ${ours}; ` +
        'use the version of Bitácora that made it, or pg_upgrade',
    )
  }
}
