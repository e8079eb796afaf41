import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { devSecret } from '../../src/access/dev-secret.ts'

t.test('the secret is made once, stays, and only its owner can read it', async (t) => {
  const dir = join(t.testdir(), 'not', 'there', 'yet')
  const secret = await devSecret(dir)
  t.match(secret, /^[\w-]{43}$/)
  t.equal(Buffer.from(secret, 'base64url').length, 32)
  t.equal(await devSecret(dir), secret)
  t.equal((await stat(join(dir, 'dev-secret'))).mode & 0o777, 0o600)
  t.same(await readdir(dir), ['dev-secret'], 'nothing else is left behind')
})

t.test('another data directory has another secret', async (t) => {
  t.not(await devSecret(t.testdir()), await devSecret(join(t.testdirName, 'b')))
})

t.test('many who start at once get the same secret', async (t) => {
  const dir = t.testdir()
  const secrets = await Promise.all(Array.from({ length: 50 }, () => devSecret(dir)))
  t.equal(new Set(secrets).size, 1)
  t.same(await readdir(dir), ['dev-secret'])
})

t.test('a file that is no secret is refused and not replaced', async (t) => {
  const good = `${'a'.repeat(43)}\n`
  for (const content of [
    '',
    'short',
    'a'.repeat(44),
    `${good}\n`,
    `${'a'.repeat(42)}!`,
    `${'x'.repeat(100_000)}`,
  ]) {
    const dir = t.testdir()
    const path = join(dir, 'dev-secret')
    await writeFile(path, content, { mode: 0o600 })
    await t.rejects(devSecret(dir), { message: /does not hold a secret/ })
    t.equal(await readFile(path, 'utf8'), content)
  }
})

t.test('a secret that others can read is refused', async (t) => {
  const dir = t.testdir()
  await devSecret(dir)
  for (const mode of [0o644, 0o640, 0o606, 0o660]) {
    await chmod(join(dir, 'dev-secret'), mode)
    await t.rejects(devSecret(dir), { message: /can be read by other users/ })
  }
})

t.test('a link or a directory in its place is refused', async (t) => {
  const dir = t.testdir()
  const elsewhere = join(dir, 'elsewhere')
  await writeFile(elsewhere, 'a'.repeat(43), { mode: 0o600 })
  await symlink(elsewhere, join(dir, 'dev-secret'))
  await t.rejects(devSecret(dir), { message: /cannot read the development secret/ })

  const other = t.testdir()
  await mkdir(join(other, 'dev-secret'), { mode: 0o700 })
  await t.rejects(devSecret(other), { message: /not a regular file/ })
})
