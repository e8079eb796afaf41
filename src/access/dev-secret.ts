import { randomBytes, randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { link, mkdir, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'

const FILE_NAME = 'dev-secret'
const SECRET_BYTES = 32
/** base64url of 32 bytes. */
const SECRET = /^[A-Za-z0-9_-]{43}\n?$/

/**
 * The secret that development mode signs tokens with: made once per data directory, so that tokens outlive a restart,
 * and readable by its owner only. Text, so that it can be given to other programs as `JWT_SECRET`.
 */
export async function devSecret(dataDir: string): Promise<string> {
  await mkdir(dataDir, { recursive: true })
  const path = join(dataDir, FILE_NAME)
  const kept = await read(path)
  if (kept !== undefined) return kept
  await create(dataDir, path)
  const made = await read(path)
  if (made === undefined) throw new Error(`${path} vanished while it was made; start again`)
  return made
}

/** Two processes may come here at once: one of them makes the file, whole, and both read it. */
async function create(dataDir: string, path: string): Promise<void> {
  const draft = join(dataDir, `.${FILE_NAME}.${randomUUID()}`)
  try {
    const file = await open(draft, 'wx', 0o600)
    try {
      await file.writeFile(`${randomBytes(SECRET_BYTES).toString('base64url')}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    // Unlike a rename, a link does not replace what another process has put there meanwhile.
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  } finally {
    await unlink(draft).catch(() => {})
  }
}

async function read(path: string): Promise<string | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw new Error(`cannot read the development secret ${path}: ${error.message}`, { cause: error })
    },
  )
  if (file === undefined) return undefined
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw new Error(`${path} is not a regular file; remove it and a new secret is made`)
    if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0) {
      throw new Error(
        `${path} can be read by other users of this machine, who could make tokens with it; ` +
          'remove it and a new secret is made (tokens made with the old one end)',
      )
    }
    // One byte more than a good file has shows that a file is too long without reading it whole.
    const { buffer, bytesRead } = await file.read(Buffer.alloc(45), 0, 45, 0)
    const text = buffer.toString('latin1', 0, bytesRead)
    if (!SECRET.test(text)) {
      throw new Error(
        `${path} does not hold a secret of ${SECRET_BYTES} bytes in base64url; remove it and a new one is made`,
      )
    }
    return text.trimEnd()
  } finally {
    await file.close()
  }
}
