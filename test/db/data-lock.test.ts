import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { lockPath } from '../../src/db/data-lock.ts'

const MODULE = JSON.stringify(new URL('../../src/db/data-lock.ts', import.meta.url).href)

t.test('a path is locked once, and free again afterwards', async (t) => {
  const folder = t.testdir()
  const unlock = await lockPath(join(folder, 'lock'), 'the folder')
  await t.rejects(lockPath(join(folder, 'lock'), 'the folder'), {
    message: `the folder is in use by another server (process ${process.pid}); stop it, or use another DATA_DIR`,
  })
  unlock()
  t.strictSame(readdirSync(folder), [])
  const again = await lockPath(join(folder, 'lock'), 'the folder')
  again()
})

t.test('the mark of a process that is gone, or whose pid is reused, counts for nothing', async (t) => {
  const folder = t.testdir({
    'lock.999999999-1': 'held\n',
    [`lock.${process.pid}-1`]: 'held\n',
  })
  const unlock = await lockPath(join(folder, 'lock'), 'the folder')
  unlock()
  t.strictSame(readdirSync(folder), [])
})

t.test('of several that come at once, exactly one gets the lock', async (t) => {
  const folder = t.testdir({ 'lock.999999999-1': 'held\n' })
  const script = `
    const { lockPath } = await import(${MODULE})
    process.stdin.once('data', async () => {
      const result = await lockPath(${JSON.stringify(join(folder, 'lock'))}, 'it').then(() => 'mine', () => 'theirs')
      console.log(result)
    }).once('end', () => process.exit()).resume()
    console.log('ready')`
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    }),
  )
  const outputs = children.map((child) => createInterface({ input: child.stdout }))
  const line = async () => (await Promise.all(outputs.map((output) => once(output, 'line')))).flat()
  await line()
  const results = line()
  for (const child of children) child.stdin.write('go')
  t.strictSame((await results).sort(), ['mine', 'theirs', 'theirs', 'theirs'])
  for (const child of children) child.stdin.end()
})
