import { execFile, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type Identity, makeSystemDirectory, POSTGRES_ENV, SYSTEM_DIRECTORY } from './embedded-binaries.ts'

/** Where the cluster of a data directory lies, and as whom it runs. */
export interface Place {
  readonly dataDir: string
  /** The cluster itself, without links. */
  readonly directory: string
  /** `postgres` in the data directory: the cluster, or a link to it. */
  readonly link: string
  readonly identity: Identity | undefined
}

/**
 * An ordinary user has everything inside the data directory. Root has to run Postgres as another user; if that user
 * cannot reach the data directory, the cluster lies elsewhere and `postgres` in the data directory is a link to it.
 */
export function findPlace(path: string): Place {
  const root = process.getuid?.() === 0
  if (mkdirSync(path, { recursive: true, mode: 0o700 }) !== undefined && root) chmodSync(path, 0o711)
  const dataDir = realpathSync(path)
  const link = join(dataDir, 'postgres')
  if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) {
    if (!existsSync(link)) {
      throw new Error(
        `${link} points to a database that is not there any more; restore it, or remove the link to begin with an empty one`,
      )
    }
    const directory = realpathSync(link)
    return { dataDir, directory, link, identity: ownerOf(directory) }
  }
  if (!root) return { dataDir, directory: link, link, identity: undefined }
  const identity = nobody()
  if (canEnter(dataDir, identity)) return { dataDir, directory: link, link, identity }
  const hash = createHash('sha256').update(dataDir).digest('hex').slice(0, 16)
  makeSystemDirectory()
  return { dataDir, directory: join(SYSTEM_DIRECTORY, hash), link, identity }
}

function ownerOf(directory: string): Identity | undefined {
  const me = process.getuid?.()
  const { uid, gid } = statSync(directory)
  if (me === undefined || (me !== 0 && uid === me)) return undefined
  if (me !== 0) {
    throw new Error(
      `${directory} belongs to another user (uid ${uid}); start the server as that user or as root`,
    )
  }
  if (uid === 0) {
    throw new Error(
      `${directory} belongs to root, as whom PostgreSQL does not run; chown -R nobody ${directory}`,
    )
  }
  const identity = { uid, gid }
  if (!canEnter(directory, identity)) {
    throw new Error(
      `uid ${uid}, who owns ${directory}, cannot reach it; open the folders above it with chmod o+x`,
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

/** A cluster whose data directory was removed while the cluster lay elsewhere. It is not ours to delete. */
export function isOrphan(place: Place): boolean {
  return place.directory !== place.link && existsSync(place.directory) && !existsSync(place.link)
}

export function setAside(place: Place): string {
  const aside = `${place.directory}.orphan-${Date.now()}`
  renameSync(place.directory, aside)
  return aside
}

/** Throws if the cluster was made by a Postgres whose files these binaries do not understand. */
export function requireVersion(place: Place, binaries: string): void {
  const theirs = readFileSync(join(place.directory, 'PG_VERSION'), 'utf8').trim()
  const options = { encoding: 'utf8', env: POSTGRES_ENV } as const
  const ours = /\d+/.exec(spawnSync(join(binaries, 'bin', 'postgres'), ['--version'], options).stdout)?.[0]
  if (ours !== theirs) {
    throw new Error(
      `${place.directory} was made by PostgreSQL ${theirs}, and this installation brings ${ours}; ` +
        'start the version of Bitácora that made it, or convert it with pg_upgrade',
    )
  }
}

const SETTINGS = {
  max_connections: '50',
  shared_buffers: '128MB',
  max_wal_size: '2GB',
  // What fails is told to the client, that is to us. A log of every repeated publish would fill the disk.
  log_min_messages: 'log',
  log_checkpoints: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
}

/** Makes the cluster: completely or not at all. */
export async function createCluster(place: Place, binaries: string, password: string): Promise<void> {
  const { directory, identity, link } = place
  removeDrafts(directory)
  const draft = `${directory}.new-${randomBytes(6).toString('hex')}`
  const passwordFile = `${draft}.password`
  mkdirSync(draft, { mode: 0o700 })
  try {
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600, flag: 'wx' })
    if (identity !== undefined) {
      for (const path of [draft, passwordFile]) chownSync(path, identity.uid, identity.gid)
    }
    const args = [
      `--pgdata=${draft}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
    ]
    args.push('--encoding=UTF8', '--locale=C', '--no-instructions')
    for (const [name, value] of Object.entries(SETTINGS)) args.push('--set', `${name}=${value}`)
    await promisify(execFile)(join(binaries, 'bin', 'initdb'), args, {
      cwd: '/',
      env: POSTGRES_ENV,
      ...identity,
    })
    renameSync(draft, directory)
  } catch (cause) {
    const said = (cause as { stderr?: string }).stderr?.trim()
    throw new Error(
      `PostgreSQL could not make its database (${said || cause}); set DATABASE_URL to use another`,
      { cause },
    )
  } finally {
    rmSync(passwordFile, { force: true })
    rmSync(draft, { recursive: true, force: true })
  }
  if (directory !== link) symlinkSync(directory, link)
}

/** Of starts that were killed. Their initdb may still be at work, so this may fail, and a later start does it. */
function removeDrafts(directory: string): void {
  for (const name of readdirSync(dirname(directory))) {
    if (!name.startsWith(`${basename(directory)}.new-`)) continue
    try {
      rmSync(join(dirname(directory), name), { recursive: true, force: true })
    } catch {}
  }
}

/** For a cluster whose password file is lost. Postgres must not be running. */
export function resetPassword(place: Place, binaries: string, password: string): void {
  const result = spawnSync(
    join(binaries, 'bin', 'postgres'),
    ['--single', '-D', place.directory, 'postgres'],
    {
      input: `alter role postgres password '${password}'\n`,
      encoding: 'utf8',
      cwd: place.directory,
      env: POSTGRES_ENV,
      ...place.identity,
    },
  )
  if (result.status !== 0 || /ERROR:|FATAL:/.test(result.stderr)) {
    throw new Error(
      `the password of ${place.directory} is lost and could not be set anew: ${result.stderr?.trim()}`,
    )
  }
}
