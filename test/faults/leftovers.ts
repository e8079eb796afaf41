import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { ask } from './database.ts'

/** The server's connections to its database. */
export async function databaseConnections(url: string): Promise<{ all: number; inTransaction: number }> {
  const text = `select count(*)::int as all, count(*) filter (where state like 'idle in transaction%')::int as "inTransaction"
                from pg_stat_activity where application_name = 'bitacora'`
  const { rows } = await ask(url, (client) => client.query(text))
  return rows[0]
}

const GAUGES = [
  'bitacora_connections',
  'bitacora_subscriptions',
  'bitacora_channels',
  'bitacora_append_queue_events',
]
const PATIENCE_MS = 5_000

/** What the server still counts when all its clients have hung up. */
export async function serverGauges(webSocketUrl: string): Promise<string[]> {
  const url = webSocketUrl.replace('ws:', 'http:').replace(/\/ws$/, '/metrics')
  for (const end = Date.now() + PATIENCE_MS; ; await sleep(50)) {
    const text = await (await fetch(url)).text()
    const lines = text.split('\n').filter((line) => GAUGES.some((name) => line.startsWith(name)))
    const left = lines.filter((line) => !line.endsWith(' 0'))
    if (lines.length >= GAUGES.length && left.length === 0) return []
    if (Date.now() > end)
      return [`without any client the server counts ${left.join(', ') || 'nothing at all'}`]
  }
}

export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}
