import t, { type Test } from 'tap'
import { LogEvent } from '../../src/log/event.ts'
import { type LogPosition, Tail } from '../../src/log/tail.ts'
import { createLogger } from '../../src/ops/logger.ts'

const EPOCH = 'e1'
const event = (id: number) => new LogEvent(id, 'room:a', id, 'note', 'null', 'ana', undefined, 0)
const run = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => event(first + i))
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** A tail over a log in memory, so that what Postgres answers, and when, can be said. */
function tailOver(t: Test, { head = 0, headCheckMs = 10_000 } = {}) {
  const log = { head, epoch: EPOCH, reads: 0, failing: false }
  const emitted: number[] = []
  const resets: LogPosition[] = []
  const tail = new Tail(
    {
      readHead: async () => {
        if (log.failing) throw new Error('away')
        return { epoch: log.epoch, id: log.head }
      },
      read: async (id, limit) => {
        log.reads++
        if (log.failing) throw new Error('away')
        return run(id + 1, Math.min(log.head, id + limit))
      },
      emit: (events) => void emitted.push(...events.map(({ id }) => id)),
      reset: (position) => void resets.push(position),
      log: createLogger('silent'),
      headCheckMs,
    },
    { epoch: EPOCH, id: 0 },
  )
  t.teardown(() => tail.stop())
  return { tail, log, emitted, resets }
}

const ids = (last: number) => Array.from({ length: last }, (_, i) => i + 1)

t.test('runs that come in order are emitted at once, and nothing is read', async (t) => {
  const { tail, log, emitted } = tailOver(t)
  tail.offer(run(1, 3), EPOCH)
  tail.offer(run(4, 4), EPOCH)
  t.same(emitted, ids(4))
  t.equal(tail.position, 4)
  t.equal(log.reads, 0)
})

t.test('runs in any order, overlapping and repeated, are emitted once and in id order', async (t) => {
  const { tail, log, emitted } = tailOver(t)
  log.head = 9
  for (const [first, last] of [
    [5, 6],
    [1, 2],
    [8, 9],
    [1, 4],
    [4, 7],
    [2, 3],
    [9, 9],
  ] as const) {
    tail.offer(run(first, last), EPOCH)
  }
  t.same(emitted, ids(9))
  t.equal(log.reads, 0, 'the hole was filled before Postgres was asked')
})

t.test('a hole that nobody fills is read from Postgres', async (t) => {
  const { tail, log, emitted } = tailOver(t)
  log.head = 7
  tail.offer(run(1, 2), EPOCH)
  tail.offer(run(6, 7), EPOCH)
  t.same(emitted, ids(2), 'it never skips')
  await wait(50)
  t.same(emitted, ids(7))
})

t.test('what nobody announces is found by asking where the log stands', async (t) => {
  const { log, emitted } = tailOver(t, { headCheckMs: 20 })
  log.head = 2_500
  await wait(150)
  t.same(emitted, ids(2_500))
})

t.test('with Postgres away it waits, and goes on where it was', async (t) => {
  const { tail, log, emitted } = tailOver(t, { headCheckMs: 20 })
  log.failing = true
  log.head = 5
  tail.offer(run(4, 5), EPOCH)
  await wait(80)
  t.same(emitted, [])
  t.equal(tail.reachable, false)
  t.equal(tail.lag, 5)
  log.failing = false
  await wait(80)
  t.same(emitted, ids(5))
  t.equal(tail.reachable, true)
  t.equal(tail.lag, 0)
})

t.test('more early events than it holds are dropped and read again', async (t) => {
  const { tail, log, emitted } = tailOver(t)
  log.head = 50_000
  for (let first = 2; first < 50_000; first += 1_000)
    tail.offer(run(first, Math.min(first + 999, 50_000)), EPOCH)
  await wait(300)
  t.same(emitted, ids(50_000))
})

t.test('another epoch, or a log that went back, starts it anew', async (t) => {
  const { tail, log, emitted, resets } = tailOver(t, { headCheckMs: 20 })
  tail.offer(run(1, 9), EPOCH)
  log.head = 4
  log.epoch = 'e2'
  await wait(60)
  t.same(resets, [{ epoch: 'e2', id: 4 }])
  t.equal(tail.position, 4)
  tail.offer(run(5, 6), EPOCH)
  t.equal(tail.position, 4, 'events of the old epoch are not of this log')
  tail.offer(run(5, 5), 'e2')
  t.same(emitted, [...ids(9), 5])
})
