import t from 'tap'
import { LogEvent } from '../../src/log/event.ts'
import { Window } from '../../src/log/window.ts'

const event = (id: number, channel: string, ts = 0, payload = 'null') =>
  new LogEvent(id, channel, id, 'note', payload, 'ana', `m${id}`, ts)
const idsOf = (events: readonly LogEvent[]) => events.map(({ id }) => id)

/** Ids 1 … `count`, on the channels a, b and c in turn. */
function filled(count: number, options = { maxAgeMs: 1_000, maxBytes: 1 << 30 }): Window {
  const window = new Window(options, 0)
  for (let id = 1; id <= count; id++) window.push([event(id, 'abc'[id % 3]!)])
  return window
}

t.test('events of some channels after a position come in id order, as many as asked for', async (t) => {
  const window = filled(12)
  t.same(idsOf(window.after(4, ['a', 'c'], 10)), [5, 6, 8, 9, 11, 12])
  t.same(idsOf(window.after(4, ['a', 'c'], 3)), [5, 6, 8])
  t.same(idsOf(window.after(12, ['a'], 3)), [])
  t.same(idsOf(window.after(0, ['z'], 3)), [])
  t.same(idsOf(window.slice(9, 2)), [10, 11])
  t.equal(window.first('b', 4)?.id, 7)
})

t.test('it covers what follows its oldest event, without a gap to the end', async (t) => {
  const window = new Window({ maxAgeMs: 1_000, maxBytes: 1 << 30 }, 40)
  t.equal(window.covers(40), true)
  t.equal(window.covers(39), false)
  window.push([event(41, 'a'), event(42, 'b')])
  t.equal(window.covers(40), true)
  t.equal(window.covers(39), false)
})

t.test('what is older than the age is let go of', async (t) => {
  const window = new Window({ maxAgeMs: 1_000, maxBytes: 1 << 30 }, 0)
  for (let id = 1; id <= 100; id++) window.push([event(id, `c${id % 7}`, id * 100)])
  t.same(idsOf(window.slice(89, 100)), [90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100])
  t.equal(window.covers(88), false)
  t.equal(window.first('c6', 89)?.id, 90)
})

t.test('what is beyond the bytes is let go of, the oldest first', async (t) => {
  const window = new Window({ maxAgeMs: 1_000, maxBytes: 22_000 }, 0)
  const payload = JSON.stringify('x'.repeat(998))
  for (let id = 1; id <= 500; id++) window.push([event(id, 'a', 0, payload)])
  t.ok(window.bytes <= 22_000)
  t.equal(window.size, 8)
  t.same(idsOf(window.after(492, ['a'], 100)), [493, 494, 495, 496, 497, 498, 499, 500])
})

t.test('a recent event is found by its sender and messageId', async (t) => {
  const window = filled(3)
  t.equal(window.findMessage('ana', 'm2')?.id, 2)
  t.equal(window.findMessage('bob', 'm2'), undefined)
})

t.test('after a reset it is empty at the new position', async (t) => {
  const window = filled(9)
  window.reset(4)
  t.equal(window.end, 4)
  t.equal(window.covers(4), true)
  t.equal(window.covers(3), false)
  t.equal(window.findMessage('ana', 'm2'), undefined)
  window.push([event(5, 'a')])
  t.same(idsOf(window.after(4, ['a'], 9)), [5])
})

t.test('what is let go of is not remembered by its messageId either', async (t) => {
  const window = filled(100, { maxAgeMs: 1_000, maxBytes: 3_000 })
  t.ok(window.size > 0 && window.size < 100)
  for (let id = 1; id <= 100; id++) {
    t.equal(window.findMessage('ana', `m${id}`) !== undefined, id > 100 - window.size, `m${id}`)
  }
})
