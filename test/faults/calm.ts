import { setTimeout as sleep } from 'node:timers/promises'
import { ask, type Database } from './database.ts'
import { databaseConnections, openDescriptors, serverGauges } from './leftovers.ts'
import type { Population } from './population.ts'
import type { Server } from './server.ts'

/** For everything to be acknowledged and delivered after the last fault. */
const SETTLE_MS = 60_000
/** Of a server without clients: its event loop's, its engine's, and its connections to the database. */
const MAX_DESCRIPTORS = 50

/**
 * After the storm: waits until everything is acknowledged and delivered, sends the clients home, and stops the server.
 * `problems` gets what is not as it should be; what the clients lack is for the checks to say.
 */
export async function calm(
  server: Server,
  database: Database,
  population: Population,
  problems: string[],
): Promise<void> {
  population.calm()
  for (const end = Date.now() + SETTLE_MS; Date.now() < end; await sleep(100)) {
    const head = await readHead(database).catch(() => undefined)
    if (head !== undefined && population.settled(head)) break
  }
  for (const user of population.waiting) {
    problems.push(`${user} was not answered in ${SETTLE_MS / 1000} s of calm`)
  }
  const connections = await databaseConnections(database.adminUrl()!)
  if (connections.all > server.databasePool || connections.inTransaction > 0) {
    const found = JSON.stringify(connections)
    problems.push(`the server has ${found} connections to its database, of ${server.databasePool}`)
  }
  await population.end()
  problems.push(...(await serverGauges(server.url!)))
  const descriptors = openDescriptors(server.pid!)
  if (descriptors > MAX_DESCRIPTORS)
    problems.push(`the server has ${descriptors} open files without any client`)
  await server.stop()
  if (database.url !== undefined) {
    const { all } = await databaseConnections(database.adminUrl()!)
    if (all > 0) problems.push(`${all} connections to the database outlive the server`)
  }
}

async function readHead(database: Database): Promise<number> {
  const text = 'select coalesce(max(id), 0)::int as head from bitacora.events'
  const { rows } = await ask(database.adminUrl()!, (client) => client.query(text))
  return rows[0].head
}
