import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { configurationTable } from '../src/config/markdown.ts'
import { testDatabase } from './postgres.ts'
import { testServer, tokenOf } from './server.ts'

const root = new URL('../', import.meta.url)
const readme = readFileSync(new URL('README.md', root), 'utf8')

/** The code block behind a `<!-- test: name -->`. */
function block(name: string): string {
  const found = new RegExp(`<!-- test: ${name} -->\\n\`\`\`\\w+\\n([\\s\\S]*?)\`\`\``).exec(readme)
  if (found === null) throw new Error(`README.md has no block ${name}`)
  return found[1]!
}

t.test('the configuration table is that of the settings', async (t) => {
  const [, table] = /<!-- configuration -->\n([\s\S]*?)<!-- \/configuration -->/.exec(readme) ?? []
  t.equal(table, configurationTable(), 'tsx src/config/markdown.ts prints it')
})

t.test('what it links to is there', async (t) => {
  const targets = [...readme.matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, target]) => target!)
  const missing = targets.filter((target) => !/^https?:/.test(target) && !existsSync(new URL(target, root)))
  t.same(missing, [])
})

t.test('every npm script that it names exists', async (t) => {
  const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
  const named = [...readme.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name!)
  t.same(
    named.filter((name) => scripts[name] === undefined),
    [],
  )
})

t.test('the audit queries prove a good log good, for a role that may only read', async (t) => {
  const { pool, connect } = await testServer(t)
  const ana = await connect()
  for (const [id, channel] of ['room:lobby', 'room:a', 'room:lobby'].entries()) {
    await ana.request({ op: 'publish', channel, type: 'note', payload: { text: `${id}` } })
  }
  const role = `auditor_${process.pid}`
  const grants = readme.slice(readme.indexOf('create role auditor')).split('```')[0]!
  await pool.query(grants.replaceAll('auditor', role).replace("password '…'", "password 'x'"))
  t.teardown(async () => {
    await pool.query(`drop owned by ${role}; drop role ${role}`)
  })
  const client = await pool.connect()
  t.teardown(() => client.release(true))
  await client.query(`set role ${role}`)
  const queries = block('audit-queries')
    .split(/;\n/)
    .filter((query) => query.trim() !== '')
  t.equal(queries.length, 5)
  const results = []
  for (const query of queries) results.push((await client.query(query)).rows)
  t.same(Object.values(results[0]![0]), [3, 3, 3])
  t.same([results[1], results[2]], [[], []])
  t.same(
    results[3]!.map(({ seq }) => seq),
    [2, 1],
  )
  await t.rejects(
    client.query(`insert into bitacora.events select 9, 9, now(), 'room:a', 'x', 'x', 'x', '1'`),
  )
})

t.test('the client in it publishes, receives, and comes back to what it missed', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'bitacora-readme-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  symlinkSync(new URL('node_modules', root), join(directory, 'node_modules'))
  const file = join(directory, 'client.mjs')
  writeFileSync(file, block('readme-client'))
  const { connect } = await import(pathToFileURL(file).href)
  const database = await testDatabase(t)
  const port = String(await freePort())
  const first = await testServer(t, { PORT: port }, { database })
  const seen: unknown[] = []
  let arrived = () => {}
  const eventCount = (count: number) =>
    new Promise<void>((resolve) => (arrived = () => seen.length >= count && resolve()))
  const onEvent = ({ payload }: { payload: unknown }) => {
    seen.push(payload)
    arrived()
  }
  const client = connect(first.url, () => tokenOf(), ['room:lobby'], onEvent)
  t.teardown(() => client.close())
  const bob = await first.connect({ sub: 'bob' }, { channels: ['room:lobby'] })
  await until(async () =>
    (await (await fetch(`${first.http}/metrics`)).text()).includes('bitacora_subscriptions 6'),
  )
  const one = eventCount(1)
  client.publish('room:lobby', 'note', 1, 'm1')
  await one
  t.same((await bob.take('event')).payload, 1)
  await first.close()

  const second = await testServer(t, { PORT: port }, { database })
  const three = eventCount(3)
  const again = await second.connect({ sub: 'bob' })
  for (const n of [2, 3])
    await again.request({ op: 'publish', channel: 'room:lobby', type: 'note', payload: n })
  await three
  t.same(seen, [1, 2, 3])
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20))
}
