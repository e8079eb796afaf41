import type { QueryArrayConfig } from 'pg'
import { bigintArray, intArray, textArray } from '../db/binary-array.ts'
import { type Draft, LogEvent } from './event.ts'

/** One request: its events are appended together or not at all. */
export interface Group {
  /** 1 or more. The first has a `messageId`: by it a repeat of the request is recognised. */
  readonly events: readonly Draft[]
  /** Written in the same transaction, if its version is still the expected one. */
  readonly state?: StateWrite
}

export interface StateWrite {
  readonly channel: string
  /** The version that the state was read at; 0: there was none. The write makes it one more. */
  readonly version: number
  /** JSON text. */
  readonly json: string
}

/** Values in the order in which they were first met, each once. */
class Distinct {
  readonly values: string[] = []
  readonly #places = new Map<string, number>()

  /** The value's place: 1, 2, … */
  place(value: string): number {
    const known = this.#places.get(value)
    if (known !== undefined) return known
    const place = this.values.push(value)
    this.#places.set(value, place)
    return place
  }
}

/** What `bitacora.append` and `bitacora.append_one` (migrations/000001_log.sql) need for the groups of one batch. */
export class Batch {
  readonly drafts: Draft[] = []
  /** Events per channel, in the order of `channels`. */
  readonly counts: number[] = []
  readonly #channels = new Distinct()
  readonly #channelOf: number[] = []
  readonly #nth: number[] = []
  readonly #states: StateWrite[] = []

  constructor(groups: readonly { readonly group: Group }[]) {
    for (const { group } of groups) {
      if (group.state !== undefined) this.#states.push(group.state)
      for (const draft of group.events) {
        const place = this.#channels.place(draft.channel)
        const nth = (this.counts[place - 1] ?? 0) + 1
        this.counts[place - 1] = nth
        this.drafts.push(draft)
        this.#channelOf.push(place)
        this.#nth.push(nth)
      }
    }
  }

  get channels(): readonly string[] {
    return this.#channels.values
  }

  /** The statement; `knownSeqs` are the last seqs of `channels` at log position `knownHead`, where they are known. */
  statement(knownHead: number, knownSeqs: readonly (number | undefined)[]): QueryArrayConfig {
    const drafts = this.drafts
    if (drafts.length === 1 && this.#states.length === 0) return oneEvent(drafts[0]!, knownHead, knownSeqs[0])
    const types = new Distinct()
    const senders = new Distinct()
    const typeOf = drafts.map((draft) => types.place(draft.type))
    const senderOf = drafts.map((draft) => senders.place(draft.from))
    return {
      name: 'bitacora.append',
      text: `select epoch, first_id, ts, seqs, lost
             from bitacora.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
      values: [
        knownHead,
        textArray(this.channels),
        bigintArray(knownSeqs),
        textArray(types.values),
        textArray(senders.values),
        intArray(this.#channelOf),
        intArray(this.#nth),
        intArray(typeOf),
        intArray(senderOf),
        textArray(drafts.map((draft) => draft.messageId)),
        textArray(drafts.map((draft) => draft.payload)),
        textArray(this.#states.map((state) => state.channel)),
        bigintArray(this.#states.map((state) => state.version)),
        textArray(this.#states.map((state) => state.json)),
      ],
      rowMode: 'array',
      types: AS_TEXT,
    }
  }

  /** The events as they now stand in the log, in id order. */
  committed(row: AppendRow): LogEvent[] {
    return this.drafts.map((draft, i) => {
      const seq = row.seqs[this.#channelOf[i]! - 1]! + this.#nth[i]!
      const { channel, type, payload, from, messageId } = draft
      return new LogEvent(row.firstId + i, channel, seq, type, payload, from, messageId, row.ts)
    })
  }

  /** The channels of the state writes at these places (1, 2, …). */
  stateChannels(places: readonly number[]): Set<string> {
    return new Set(places.map((place) => this.#states[place - 1]!.channel))
  }
}

function oneEvent(draft: Draft, knownHead: number, knownSeq: number | undefined): QueryArrayConfig {
  const { channel, type, payload, from, messageId } = draft
  return {
    name: 'bitacora.append_one',
    text: `select epoch, first_id, ts, '{' || seq || '}', null
           from bitacora.append_one($1, $2, $3, $4, $5, $6, $7)`,
    values: [knownHead, knownSeq, channel, type, payload, from, messageId],
    rowMode: 'array',
    types: AS_TEXT,
  }
}

export interface AppendRow {
  readonly epoch: string
  readonly firstId: number
  readonly ts: number
  /** Last seq of each of the batch's channels before the batch. */
  readonly seqs: readonly number[]
  /** Places of the state writes whose version had moved on; when there are any, nothing was written. */
  readonly lost: readonly number[]
}

// Five short columns: reading them here is cheaper than pg's type parsers, and independent of how those are set.
const AS_TEXT = { getTypeParser: () => (value: string) => value }

export function readAppendRow(row: readonly (string | null)[]): AppendRow {
  const [epoch, firstId, ts, seqs, lost] = row
  return { epoch: epoch!, firstId: Number(firstId), ts: Number(ts), seqs: numbers(seqs), lost: numbers(lost) }
}

/** The numbers of an array in PostgreSQL's text form, `{1,2,3}`. */
function numbers(text: string | null | undefined): number[] {
  if (text === null || text === undefined || text === '{}') return []
  return text.slice(1, -1).split(',').map(Number)
}
