import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Violation } from './check.ts'
import { explain, sentence } from './explain.ts'
import type { Entry, History } from './history.ts'
import { LISTENS } from './server.ts'
import type { StoredLog } from './stored-log.ts'

/** What happened in a run, in one line of figures. */
export function figures({ entries }: History, log: StoredLog): string {
  const count = (fits: (entry: Entry) => boolean) => entries.filter(fits).length
  const closes = new Map<string, number>()
  const refusals = new Map<string, number>()
  const asked = new Map<string, number>()
  let slowest = 0
  for (const entry of entries) {
    if (entry.is === 'closed') add(closes, `${entry.by} ${entry.code}`)
    if (entry.is === 'refused') add(refusals, entry.code)
    if (entry.is === 'publish') asked.set(`${entry.connection} ${entry.request}`, entry.ms)
    if (entry.is === 'acknowledged' || entry.is === 'refused') {
      const since = asked.get(`${entry.connection} ${entry.request}`) ?? entry.ms
      slowest = Math.max(slowest, entry.ms - since)
    }
  }
  return [
    `${log.events.length} events`,
    `${count((entry) => entry.is === 'event')} deliveries`,
    `${count((entry) => entry.is === 'acknowledged' && entry.duplicate)} acknowledged again`,
    `refused ${listed(refusals)}`,
    `slowest reply ${(slowest / 1000).toFixed(1)} s`,
    `${count((entry) => entry.is === 'fault' && entry.what.startsWith('over: '))} faults`,
    `${count((entry) => entry.is === 'fault' && entry.what.startsWith(LISTENS))} server processes`,
    `${count((entry) => entry.is === 'welcome')} sessions`,
    `${count((entry) => entry.is === 'synced')} rewinds`,
    `closed ${listed(closes)}`,
  ].join(', ')
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

function listed(counts: ReadonlyMap<string, number>): string {
  return `(${[...counts].map(([name, count]) => `${name}: ${count}`).join(', ')})`
}

/**
 * Writes everything down that helps to understand what went wrong: the whole history, the log, and what the server and
 * Postgres have logged in `sandbox`. Returns the most important of it, and where the rest is.
 */
export function account(
  name: string,
  violations: readonly Violation[],
  history: History,
  log: StoredLog,
  sandbox: string,
): string {
  const kept = join(tmpdir(), `bitacora-faults-${name}`)
  const write = (file: string, lines: readonly string[]) =>
    writeFileSync(join(kept, file), `${lines.join('\n')}\n`)
  const json = (value: unknown) => JSON.stringify(value)
  mkdirSync(kept, { recursive: true })
  write(
    'history.log',
    history.entries.map((entry, place) => `${place} ${sentence(entry, history)}`),
  )
  write('events.jsonl', log.events.map(json))
  write('violations.jsonl', violations.map(json))
  for (const path of ['server.log', 'data/postgres.log', 'database/postgres.log']) {
    const from = join(sandbox, path)
    if (existsSync(from)) copyFileSync(from, join(kept, path.replace('/', '-')))
  }
  const explained = explain(violations[0]!, history, log)
  return `${violations.length} violations; the first one:\n${explained}\n\nEverything is in ${kept}`
}
