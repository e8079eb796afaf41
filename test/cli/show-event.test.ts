import t from 'tap'
import { eventLine, prettyEvent } from '../../src/cli/show-event.ts'

const event = {
  id: 7,
  channel: 'room:lobby',
  seq: 3,
  type: 'message:send',
  payload: { text: 'hi' },
  from: 'ana',
  messageId: undefined,
  ts: new Date(2024, 0, 2, 3, 4, 5, 6).getTime(),
}

t.test('for a person one line, in local time', async (t) => {
  t.equal(prettyEvent(event, false), '03:04:05.006 #7/3 ana message:send {"text":"hi"}')
  t.match(prettyEvent(event, true), '\x1b[1mana\x1b[22m')
})

t.test('what others wrote cannot command the terminal', async (t) => {
  const line = prettyEvent({ ...event, from: 'a\u009b2Jb\u202e', payload: '\x1b]0;title\x07\u2028' }, false)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  t.notMatch(line, /[\x00-\x1f\x7f-\x9f\u2028-\u202e]/)
  t.match(line, 'a\\u009b2Jb\\u202e')
})

t.test('for a program one JSON object', async (t) => {
  t.strictSame(JSON.parse(eventLine({ ...event, messageId: 'm' })), { ...event, messageId: 'm' })
  t.notMatch(eventLine({ ...event, payload: 'a\nb' }), /\n/)
})
