import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import {
  CLIENT_OPS,
  CLOSE,
  CLOSES,
  codecs,
  ERRORS,
  FEATURES,
  LIMITS,
  SERVER_OPS,
} from '../../protocol/index.ts'
import { CHANNEL_PATTERN } from '../../protocol/v1/channel.ts'
import { clientSchemas } from '../../protocol/v1/client-frames.ts'
import { SUBPROTOCOLS } from '../../protocol/v1/codec.ts'
import { MESSAGE_ID_PATTERN, TYPE_PATTERN } from '../../protocol/v1/names.ts'
import { okSchemas, serverSchemas } from '../../protocol/v1/server-frames.ts'
import { namesIn, readClauses, rowsOf } from './spec.ts'

const clauses = readClauses()
const clause = (number: string) => clauses.get(number)!.body
const chapter = (number: number) => [...clauses].filter(([key]) => key.startsWith(`${number}.`))
const number = (text: string) => Number(text.replaceAll(',', ''))

interface Schema {
  readonly properties: Readonly<Record<string, object>>
  readonly required: readonly string[]
}

function fieldsOf(schema: unknown, except: readonly string[]): string[] {
  const { properties, required } = schema as Schema
  const names = Object.keys(properties).filter((name) => !except.includes(name))
  return names.map((name) => (required.includes(name) ? name : `${name}, optional`))
}

function fieldsInTable(text: string): string[] {
  return rowsOf(text).map(
    ([field, type]) => namesIn(field!)[0]! + (type!.endsWith('optional') ? ', optional' : ''),
  )
}

t.test('the table of errors is the code', async (t) => {
  const rows = rowsOf(clause('10.2')).map(([code, retry, http, meaning]) => [
    namesIn(code!)[0],
    { retry: retry === 'yes', http: Number(http), meaning },
  ])
  t.strictSame(Object.fromEntries(rows), ERRORS)
  t.strictSame(
    rows.map(([code]) => code),
    Object.keys(ERRORS),
  )
})

t.test('the table of close codes is the code, and its verdicts follow the rule', async (t) => {
  const rows = rowsOf(clause('11.2')).map(([code, name, reconnect, meaning]) => [
    Number(code),
    { name: namesIn(name!)[0], reconnect: reconnect === 'yes', meaning },
  ])
  t.strictSame(Object.fromEntries(rows), CLOSES)
  for (const [name, code] of Object.entries(CLOSE)) {
    t.equal(CLOSES[code]?.name, name)
    t.equal(CLOSES[code]?.reconnect, code >= 4500)
  }
  t.equal(Object.keys(CLOSES).length, Object.keys(CLOSE).length)
})

t.test('every op has its clause, and every clause of ops its op', async (t) => {
  t.strictSame(
    chapter(5).flatMap(([, { title }]) => namesIn(title)),
    CLIENT_OPS,
  )
  t.strictSame(
    chapter(6).flatMap(([, { title }]) => namesIn(title)),
    SERVER_OPS,
  )
  t.strictSame(Object.keys(clientSchemas), CLIENT_OPS)
  t.strictSame(Object.keys({ ...serverSchemas, ok: 1 }).sort(), [...SERVER_OPS].sort())
})

t.test('the fields of a frame are those of its schema, in the same order', async (t) => {
  for (const [number, { title, body }] of chapter(5)) {
    const op = namesIn(title)[0] as keyof typeof clientSchemas
    t.strictSame(
      fieldsInTable(body.split('Reply')[0]!),
      fieldsOf(clientSchemas[op], ['op']),
      `§${number} ${title}`,
    )
  }
  for (const [number, { title, body }] of chapter(6)) {
    for (const op of namesIn(title)) {
      if (op === 'ok') continue
      const schema = serverSchemas[op as keyof typeof serverSchemas]
      t.strictSame(fieldsInTable(body), fieldsOf(schema, ['op']), `§${number} ${title}`)
    }
  }
})

t.test('the fields of every ok are those of its schema', async (t) => {
  const replies: Record<string, keyof typeof okSchemas> = {
    auth: 'OkAuth',
    subscribe: 'OkSubscribe',
    publish: 'OkPublish',
    history: 'OkHistory',
    state: 'OkState',
    presence: 'OkPresence',
  }
  for (const [number, { title, body }] of chapter(5)) {
    const op = namesIn(title)[0]!
    if (['hello', 'ping', 'pong'].includes(op)) continue
    const reply = /Reply `ok`(:| has no further field\.)/.exec(body)
    t.ok(reply, `§${number} says what its ok holds`)
    const schema = okSchemas[replies[op] ?? 'OkEmpty']
    t.equal(reply?.[1] === ':', replies[op] !== undefined, `§${number}`)
    t.strictSame(
      fieldsInTable(body.slice(reply?.index)).sort(),
      fieldsOf(schema, ['op', 'id']).sort(),
      `§${number} ${title}`,
    )
  }
})

t.test('features and their ops are those of the code, and their clauses say so', async (t) => {
  const rows = rowsOf(clause('2.7')).map(([name, , ops]) => [namesIn(name!)[0], { ops: namesIn(ops!) }])
  t.strictSame(Object.fromEntries(rows), FEATURES)
  const featureOf = new Map(
    Object.entries(FEATURES).flatMap(([name, { ops }]) => ops.map((op) => [op, name])),
  )
  for (const [number, { title, body }] of chapter(5)) {
    const marked = /^\s*\*Feature `(\w+)`\.\*/.exec(body)?.[1]
    t.equal(marked, featureOf.get(namesIn(title)[0] as never), `§${number} ${title}`)
  }
  for (const [, { body }] of clauses) {
    for (const [, name] of body.matchAll(/\*Feature `(\w+)`[.:]?\*/g))
      t.ok(Object.hasOwn(FEATURES, name!), String(name))
  }
})

t.test('forms and figures are those of the code', async (t) => {
  t.strictSame(
    rowsOf(clause('2.2')).map(([name]) => namesIn(name!)[0]),
    SUBPROTOCOLS,
  )
  t.ok(clause('3.6').includes(`\`${TYPE_PATTERN}\``))
  t.ok(clause('3.6').includes(`\`${MESSAGE_ID_PATTERN}\``))
  t.ok(clause('7.1').includes(`\n    ${CHANNEL_PATTERN}\n`))
  const limits = Object.fromEntries(
    rowsOf(clause('3.5')).map(([, value, name]) => [namesIn(name!)[0], number(value!)]),
  )
  t.strictSame(limits, {
    frameBytes: LIMITS.maxFrameBytes,
    depth: LIMITS.maxDepth,
    elements: LIMITS.maxElements,
    channels: LIMITS.maxChannels,
    replayEvents: LIMITS.maxReplayEvents,
  })
  t.ok(clause('5.10').includes(`${LIMITS.defaultHistoryEvents} if absent`))
  t.match(clause('7.4'), new RegExp(`room:.*${LIMITS.maxHistoryEvents.toLocaleString('en')}`))
  t.ok(clause('12.2').includes(`up to ${LIMITS.maxEventsPerRequest.toLocaleString('en')}`))
  const [json, hex] = [
    /`(\{.*\})`/.exec(clause('14.8'))![1]!,
    /\n {4}([0-9a-f ]+)\n/.exec(clause('14.8'))![1]!,
  ]
  t.equal(
    Buffer.from(codecs.msgpack.encode(JSON.parse(json)) as Uint8Array).toString('hex'),
    hex.replaceAll(' ', ''),
  )
})

t.test('the frames of the transcripts are frames', async (t) => {
  // What is left out leaves a gap between commas, or no value behind a colon.
  const filled = (text: string) =>
    text
      .replaceAll(/\n */g, '')
      .replaceAll('…', '')
      .replaceAll(/,+(?=[,}\]])|(?<=[[{]),/g, '')
      .replaceAll(/:(?=[,}])/g, ':null')
  let read = 0
  for (const [number, { body }] of chapter(14)) {
    for (const [, text] of body.matchAll(/^ {4}[<>] (\{.*(?:\n {7}.*)*)$/gm)) {
      const { op } = JSON.parse(filled(text!)) as { op: string }
      t.ok([...CLIENT_OPS, ...SERVER_OPS].includes(op as never), `§${number} ${op}`)
      read++
    }
  }
  t.ok(read > 30, `${read} frames`)
})

t.test('every clause that is cited exists', async (t) => {
  const root = new URL('../../', import.meta.url)
  const files = ['protocol', 'src', 'test', 'bench', 'migrations'].flatMap((folder) =>
    readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|md|json|sql)$/.test(name) && !name.endsWith('schema.json'))
      .map((name) => `${folder}/${name}`),
  )
  const chapters = new Set([...clauses.keys()].map((key) => key.split('.')[0]))
  for (const file of files) {
    const text = readFileSync(new URL(file, root), 'utf8')
    for (const [, other, cited] of text.matchAll(/(RFC \d+ )?§(\d+(?:\.\d+)?)/g)) {
      if (other !== undefined) continue
      t.ok(clauses.has(cited!) || chapters.has(cited!), `${file} cites §${cited}`)
    }
    if (!file.startsWith('protocol/vectors/')) continue
    for (const [, cited] of text.matchAll(/"clause": "([^"]*)"/g))
      t.ok(clauses.has(cited!), `${file}: §${cited}`)
  }
})
