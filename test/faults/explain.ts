import type { Violation } from './check.ts'
import type { Entry, History } from './history.ts'
import type { StoredLog } from './stored-log.ts'

/** Entries and events shown before and after the place of a violation. */
const NEIGHBOURS = 7
/** Longer lines are cut; whole ones are in the files. */
const LINE_CHARACTERS = 180

/** A violation with what surrounds it: on its connection, of its message, in the log, and in the whole history. */
export function explain(violation: Violation, history: History, log: StoredLog): string {
  const { what, at, connection, messageId, eventId } = violation
  const lines = [`VIOLATION: ${what}`]
  const show = (title: string, list: string[]) => {
    if (list.length > 0) lines.push('', title, ...list.map((line) => `  ${line}`))
  }
  const entries = [...history.entries.entries()]
  const line = ([place, entry]: [number, Entry]) =>
    `${place === at ? '>' : ' '} ${place} ${sentence(entry, history)}`.slice(0, LINE_CHARACTERS)
  if (eventId !== undefined) {
    const from = Math.max(0, eventId - 4)
    show(
      `The log around event ${eventId}:`,
      log.events.slice(from, eventId + 3).map((event) => JSON.stringify(event).slice(0, LINE_CHARACTERS)),
    )
  }
  if (messageId !== undefined) {
    const about = entries.filter(([, entry]) => 'messageId' in entry && entry.messageId === messageId)
    show(`Message ${messageId}:`, about.map(line))
  }
  if (at !== undefined) {
    if (connection !== undefined) {
      const own = entries.filter(([, entry]) => 'connection' in entry && entry.connection === connection)
      const place = own.findIndex(([i]) => i >= at)
      const hello = own.filter(([i, entry]) => i < at && (entry.is === 'hello' || entry.is === 'welcome'))
      show(`${connection} began:`, hello.map(line))
      show(
        `${connection} around it:`,
        own.slice(Math.max(0, place - NEIGHBOURS), place + NEIGHBOURS).map(line),
      )
    }
    const faults = entries.filter(([, entry]) => entry.is === 'fault')
    const place = faults.findIndex(([i]) => i >= at)
    show(
      'Faults around it:',
      faults
        .slice(Math.max(0, (place < 0 ? faults.length : place) - 6))
        .slice(0, 10)
        .map(line),
    )
    show('Everything around it:', entries.slice(Math.max(0, at - NEIGHBOURS), at + NEIGHBOURS).map(line))
  }
  return lines.join('\n')
}

/** One line of the history. */
export function sentence(entry: Entry, history: History): string {
  const { is, ms, ...rest } = entry
  let shown: object = rest
  if (entry.is === 'event') {
    shown = { connection: entry.connection, ...history.frames[entry.frame]!.event }
  } else if ('events' in entry) {
    shown = { ...rest, events: entry.events?.map(({ id, channel, seq }) => `${id} (${channel} ${seq})`) }
  }
  return `${(ms / 1000).toFixed(3)} ${is} ${JSON.stringify(shown)}`
}
