import { readFileSync, renameSync, writeFileSync } from 'node:fs'

/** The superuser's password and the port, kept as psql reads them (PostgreSQL manual, "The Password File"). */
export interface Pass {
  readonly port: number
  readonly password: string
}

export function readPassFile(path: string): Pass | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const match = /^127\.0\.0\.1:(\d+):\*:postgres:(\S+)$/m.exec(text)
  if (match === null) throw new Error(`${path} is damaged; remove it, and a new password is made`)
  return { port: Number(match[1]), password: match[2]! }
}

export function writePassFile(path: string, { port, password }: Pass): void {
  const draft = `${path}.new`
  writeFileSync(draft, `127.0.0.1:${port}:*:postgres:${password}\n`, { mode: 0o600 })
  renameSync(draft, path)
}
