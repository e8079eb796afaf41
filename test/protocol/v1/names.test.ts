import t from 'tap'
import { channelOf, isMessageId, isType, isUserId } from '../../../protocol/index.ts'

t.test('event types', async (t) => {
  for (const good of [
    'a',
    'message:send',
    'order_created',
    'media:upload:progress',
    'a1.b-c',
    'x'.repeat(64),
  ]) {
    t.ok(isType(good), good)
  }
  for (const bad of ['', 'A', '1a', ':a', 'a b', 'é', 'x'.repeat(65), 'a\n', 5, null, undefined])
    t.notOk(isType(bad))
})

t.test('message ids', async (t) => {
  for (const good of ['a', ' ', '~', 'x'.repeat(128), '0f8fad5b-d9cb-469f-a165-70867728950e'])
    t.ok(isMessageId(good))
  for (const bad of ['', 'x'.repeat(129), 'a\n', '\t', 'é', '\x7f', 5, null, undefined])
    t.notOk(isMessageId(bad))
})

t.test('user ids', async (t) => {
  for (const good of ['ana', 'x'.repeat(128), 'Ana María', '+34 600', 'ñ'.repeat(33), '😀', 'a~b/c']) {
    t.ok(isUserId(good), good)
  }
  for (const bad of [
    '',
    'x'.repeat(129),
    'ñ'.repeat(65),
    'a\n',
    'a\0',
    '\x7f',
    '\u0085',
    '\ud800',
    5,
    null,
    undefined,
  ]) {
    t.notOk(isUserId(bad))
  }
})

t.test('every user id has its channel', async (t) => {
  const longest = 'ñ'.repeat(33)
  t.ok(isUserId(longest))
  t.equal(channelOf('user', longest).length, 'user:'.length + 198)
  t.notOk(isUserId(`${longest}ñ`), 'an id whose channel would be too long is none')
})
