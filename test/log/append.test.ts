import t, { type Test } from 'tap'
import { Appender, type AppenderOptions, type Group, type Outcome } from '../../src/log/append.ts'
import type { Draft, LogEvent } from '../../src/log/event.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { testDatabase } from '../postgres.ts'

let made = 0
function draft(fields: Partial<Draft> = {}): Draft {
  const messageId = `m${made++}`
  return { channel: 'room:a', type: 'note', payload: '{"n":1}', from: 'ana', messageId, ...fields }
}
const group = (...events: Draft[]): Group => ({ events })

async function appender(t: Test, options: Partial<AppenderOptions> = {}) {
  const { pool, url } = await testDatabase(t)
  const emitted: LogEvent[] = []
  const batches: number[] = []
  const appender = new Appender({
    pool,
    log: createLogger('silent'),
    committed: (events) => void emitted.push(...events),
    measured: (events) => void batches.push(events),
    publishTimeoutMs: 5_000,
    ...options,
  })
  t.teardown(() => appender.close())
  const append = (group: Group) => new Promise<Outcome>((resolve) => appender.append(group, resolve))
  const stored = async () => (await pool.query('select * from bitacora.events order by id')).rows
  return { pool, url, emitted, batches, appender, append, stored }
}

function accepted(outcome: Outcome): Extract<Outcome, { ok: true }> {
  if (!outcome.ok) throw outcome.error
  return outcome
}
const codeOf = (outcome: Outcome) => (outcome.ok ? 'ok' : outcome.error.code)

t.test(
  'ids are 1, 2, 3 over the log and seqs 1, 2, 3 in each channel, in the order of the requests',
  async (t) => {
    const { append, emitted, stored } = await appender(t)
    const channels = ['room:a', 'room:b', 'room:a', 'room:a', 'room:b']
    const outcomes = await Promise.all(channels.map((channel) => append(group(draft({ channel })))))
    const events = outcomes.map((outcome) => accepted(outcome).events[0]!)
    t.same(
      events.map(({ id, seq, channel }) => [id, seq, channel]),
      [
        [1, 1, 'room:a'],
        [2, 1, 'room:b'],
        [3, 2, 'room:a'],
        [4, 3, 'room:a'],
        [5, 2, 'room:b'],
      ],
    )
    t.same(emitted, events, 'what was emitted is what was acknowledged')
    const rows = await stored()
    t.same(
      rows.map((row) => [row.id, row.seq, row.payload, Number(row.created_at)]),
      events.map((event) => [event.id, event.seq, event.payload, event.ts]),
      'and what is stored',
    )
  },
)

t.test('requests that come while a batch is written make up the next batch', async (t) => {
  const { append, batches } = await appender(t)
  const first = append(group(draft()))
  await new Promise(setImmediate)
  await Promise.all([first, ...Array.from({ length: 1_500 }, () => append(group(draft())))])
  t.same(batches, [1, 1000, 500])
})

t.test('several appenders share one log without a gap, each keeping its own order', async (t) => {
  const one = await appender(t)
  const others = [1, 2].map(() => {
    const other = new Appender({
      pool: one.pool,
      log: createLogger('silent'),
      committed: () => {},
      publishTimeoutMs: 5_000,
    })
    t.teardown(() => other.close())
    return (group: Group) => new Promise<Outcome>((resolve) => other.append(group, resolve))
  })
  const appends = [one.append, ...others]
  const work = appends.flatMap((append, who) =>
    Array.from({ length: 300 }, async (_, i) => {
      if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, i / 10))
      return append(group(draft({ channel: `room:${i % 7}`, from: `u${who}`, payload: `${i}` })))
    }),
  )
  for (const outcome of await Promise.all(work)) accepted(outcome)
  const rows = await one.stored()
  t.same(
    rows.map((row) => row.id),
    Array.from({ length: 900 }, (_, i) => i + 1),
  )
  const seqs = new Map<string, number>()
  for (const { channel, seq } of rows) {
    if (seq !== (seqs.get(channel) ?? 0) + 1) t.fail(`${channel} has ${seq} after ${seqs.get(channel)}`)
    seqs.set(channel, seq)
  }
  for (let i = 1; i < rows.length; i++)
    if (rows[i].created_at < rows[i - 1].created_at) t.fail('time went back')
})

t.test(
  'a repeat gets the first ack again, in the same batch and later, and the log has the event once',
  async (t) => {
    const { append, stored } = await appender(t)
    const request = group(draft({ messageId: 'same', payload: '{"a":1,"b":2}' }))
    const reordered = group(draft({ messageId: 'same', payload: '{"b":2,"a":1.0}' }))
    const [first, again] = await Promise.all([append(request), append(request), append(group(draft()))])
    const later = await append(reordered)
    t.equal(accepted(first).duplicate, false)
    for (const repeat of [accepted(again), accepted(later)]) {
      t.equal(repeat.duplicate, true)
      t.equal(repeat.events[0]!.id, accepted(first).events[0]!.id)
      t.equal(repeat.events[0]!.payload, '{"a":1,"b":2}', 'as it was stored')
    }
    t.equal((await stored()).length, 2)
  },
)

t.test(
  'a messageId with another channel, type or payload is a conflict; of another sender it is not',
  async (t) => {
    const { append } = await appender(t)
    const first = draft({ messageId: 'm' })
    accepted(await append(group(first)))
    for (const change of [{ channel: 'room:b' }, { type: 'other' }, { payload: '{"n":2}' }]) {
      t.equal(codeOf(await append(group({ ...first, ...change }))), 'IDEMPOTENCY_CONFLICT')
    }
    t.equal(codeOf(await append(group({ ...first, from: 'bob' }))), 'ok')
  },
)

t.test('a group is appended together, and a group that the database refuses is refused alone', async (t) => {
  const { append, stored } = await appender(t)
  const poison = group(draft({ payload: '1' }), draft({ payload: 'this is no JSON', messageId: undefined }))
  const outcomes = await Promise.all([
    append(group(draft({ payload: '"before"' }), draft({ channel: 'room:b', messageId: undefined }))),
    append(poison),
    append(group(draft({ payload: '"after"' }))),
  ])
  t.same(outcomes.map(codeOf), ['ok', 'INVALID_PAYLOAD', 'ok'])
  t.same(
    (await stored()).map((row) => [row.id, row.channel, row.payload]),
    [
      [1, 'room:a', '"before"'],
      [2, 'room:b', '{"n":1}'],
      [3, 'room:a', '"after"'],
    ],
  )
})

t.test(
  'a state is written with its events if its version is the expected one; who loses is refused alone',
  async (t) => {
    const { append, stored, pool } = await appender(t)
    const write = (version: number, json: string): Group => ({
      events: [draft({ channel: 'conversation:c' })],
      state: { channel: 'conversation:c', version, json },
    })
    const outcomes = await Promise.all([
      append(write(0, '1')),
      append(write(0, '2')),
      append(group(draft())),
      append(write(1, '3')),
    ])
    t.same(outcomes.map(codeOf), ['ok', 'CONFLICT', 'ok', 'ok'])
    t.same(
      (await stored()).map((row) => [row.id, row.seq]),
      [
        [1, 1],
        [2, 1],
        [3, 2],
      ],
    )
    const { rows } = await pool.query('select version, state from bitacora.conversations')
    t.same(rows, [{ version: 2, state: '3' }])
  },
)

t.test('events cannot be changed or taken away, not even by the owner', async (t) => {
  const { append, pool } = await appender(t)
  accepted(await append(group(draft())))
  for (const change of [
    "update bitacora.events set type = 'x'",
    'delete from bitacora.events',
    'truncate bitacora.events',
  ]) {
    await t.rejects(pool.query(change), { message: /append-only/ })
    const sneaky = pool.query(`set session_replication_role = replica; ${change}`)
    await t.rejects(sneaky, { message: /append-only/ })
  }
})

t.test('a commit whose answer got lost is settled as the one event that it is', async (t) => {
  const { append, stored, pool } = await appender(t)
  accepted(await append(group(draft())))
  // Ends the appender's backend right after it has committed, before it can answer.
  await pool.query(`create function public.cut() returns trigger language plpgsql as $$
    begin
      if new.type = 'cut' then perform pg_terminate_backend(pg_backend_pid()); end if;
      return null;
    end $$`)
  await pool.query(`create constraint trigger cut after insert on bitacora.events
    deferrable initially deferred for each row execute function public.cut()`)
  const outcome = append(group(draft({ type: 'cut', messageId: 'cut' })))
  // The trigger ends it before the commit, every time; once it is gone the event is appended.
  await new Promise((resolve) => setTimeout(resolve, 200))
  await pool.query('drop trigger cut on bitacora.events')
  t.equal(accepted(await outcome).events[0]!.id, 2)

  // And committed by somebody else's hand, as if the answer had been lost: a duplicate, not a second event.
  const lost = draft({ messageId: 'lost' })
  await pool.query(`select bitacora.append_one(-1, null, 'room:a', 'note', $1, 'ana', 'lost')`, [
    lost.payload,
  ])
  const settled = accepted(await append(group(lost)))
  t.equal(settled.duplicate, true)
  t.equal(settled.events[0]!.id, 3)
  t.same(
    (await stored()).map((row) => row.id),
    [1, 2, 3],
  )
})

t.test(
  'while the log is locked a request gets UNAVAILABLE in time, and what comes later is appended',
  async (t) => {
    const { append, pool, stored } = await appender(t, { publishTimeoutMs: 600 })
    accepted(await append(group(draft())))
    const holder = await pool.connect()
    await holder.query('begin; select from bitacora.log for update')
    const started = Date.now()
    const requests = ['"held"', '"behind"'].map((payload) => group(draft({ payload })))
    const held = append(requests[0]!)
    await new Promise((resolve) => setTimeout(resolve, 50))
    const behind = append(requests[1]!)
    t.same([codeOf(await held), codeOf(await behind)], ['UNAVAILABLE', 'UNAVAILABLE'])
    t.ok(Date.now() - started < 2_000)
    await holder.query('rollback')
    holder.release()
    accepted(await append(group(draft({ payload: '"later"' }))))
    // What was refused may be stored yet, as it was tried; its messageId settles it.
    for (const request of requests) accepted(await append(request))
    const payloads = (await stored()).map((row) => row.payload).sort()
    t.same(payloads, ['"behind"', '"held"', '"later"', '{"n":1}'])
  },
)

t.test('closing writes what is waiting and refuses the rest', async (t) => {
  const { appender: own, append, stored } = await appender(t)
  const waiting = Array.from({ length: 20 }, () => append(group(draft())))
  await own.close()
  t.same((await Promise.all(waiting)).map(codeOf), Array(20).fill('ok'))
  t.equal(codeOf(await append(group(draft()))), 'UNAVAILABLE')
  t.equal((await stored()).length, 20)
})
