import t from 'tap'
import { type Channel, parseChannel } from '../../protocol/v1/channel.ts'
import type { Claims } from '../../src/access/claims.ts'
import {
  type Action,
  authorize,
  checkChannel,
  hasModules,
  historyLimit,
  type Membership,
  may,
  personalChannels,
  pushesPresence,
  usersPerChannel,
} from '../../src/access/policy.ts'

const channel = (text: string): Channel => {
  const parsed = parseChannel(text)
  if (parsed === undefined) throw new Error(`${text} is not of the grammar`)
  return parsed
}
const exp = 4e9
const ACTIONS: readonly Action[] = ['subscribe', 'publish', 'signal', 'history']

const PEOPLE = {
  service: { sub: 'backend', role: 'service', exp },
  admin: { sub: 'root', role: 'admin', workspaceId: 'w_9', exp },
  agent: { sub: 'eva', role: 'agent', workspaceId: 'w_1', exp },
  agentOfNowhere: { sub: 'max', role: 'agent', exp },
  agentElsewhere: { sub: 'kim', role: 'agent', workspaceId: 'w_2', exp },
  clerk: { sub: 'ana', role: 'clerk', workspaceId: 'w_1', shopId: 's_1', modules: ['orders'], exp },
  plain: { sub: 'bob', role: undefined, exp },
} satisfies Record<string, Claims>

type Person = keyof typeof PEOPLE
const ALL = Object.keys(PEOPLE) as Person[]
const POWERS: Person[] = ['service', 'admin']

/** Who, beside `service` and `admin`, may what; every cell of the table. */
const CELLS: [text: string, subscribe: Person[], publish: Person[], signal: Person[]][] = [
  ['user:ana', ['clerk'], [], []],
  ['user:eva', ['agent'], [], []],
  ['user:bob', ['plain'], [], []],
  ['user:nobody', [], [], []],
  ['workspace:w_1', ['agent', 'clerk'], [], ['agent', 'clerk']],
  // `modules` absent is all of them.
  ['workspace:w_1/orders', ['agent', 'clerk'], [], ['agent', 'clerk']],
  ['workspace:w_1/chat', ['agent'], [], ['agent']],
  ['workspace:w_2', ['agentElsewhere'], [], ['agentElsewhere']],
  ['workspace:w_3', [], [], []],
  ['shop:s_1', ['clerk'], [], ['clerk']],
  ['shop:s_1/orders', ['clerk'], [], ['clerk']],
  ['shop:s_1/transactions', [], [], []],
  ['shop:s_2', [], [], []],
  ['shop:s_2/orders', [], [], []],
  ['role:w_1~agent', ['agent'], [], []],
  ['role:w_1~clerk', ['clerk'], [], []],
  ['role:w_2~agent', ['agentElsewhere'], [], []],
  ['role:w_1~admin', [], [], []],
  ['app:main', ALL, [], []],
  ['app:other', ALL, [], []],
  ['agent:w_1', ['agent'], [], []],
  ['agent:w_2', ['agentElsewhere'], [], []],
  ['agent:main', [], [], []],
  ['admin:w_1', [], [], []],
  ['channel:whatsapp', ['agent', 'agentOfNowhere', 'agentElsewhere'], [], []],
  ['conversation:c_1', [], [], []],
  ['dm:ana~bob', ['clerk', 'plain'], ['clerk', 'plain'], ['clerk', 'plain']],
  [
    'dm:kim~max',
    ['agentElsewhere', 'agentOfNowhere'],
    ['agentElsewhere', 'agentOfNowhere'],
    ['agentElsewhere', 'agentOfNowhere'],
  ],
  ['dm:x~y', [], [], []],
  ['room:lobby', ALL, ALL, ALL],
]

t.test('the policy table, every cell', async (t) => {
  for (const [text, subscribe, publish, signal] of CELLS) {
    const allowed = { subscribe, publish, signal, history: subscribe }
    for (const person of ALL) {
      for (const action of ACTIONS) {
        const expected = POWERS.includes(person) || allowed[action].includes(person)
        t.equal(may(PEOPLE[person], action, channel(text)), expected, `${person} ${action} ${text}`)
      }
    }
  }
})

t.test(
  'a namespace that does not exist is forbidden to everybody, in the words of one that does',
  async (t) => {
    for (const text of [
      'nowhere:x',
      'nowhere:x/orders',
      'nowhere:a~b~c',
      'users:ana',
      'constructor:x',
      'to-string:x',
    ]) {
      for (const person of ALL) {
        for (const action of ACTIONS)
          t.notOk(may(PEOPLE[person], action, channel(text)), `${person} ${action} ${text}`)
      }
      t.throws(() => authorize(PEOPLE.service, 'subscribe', channel(text)), { code: 'FORBIDDEN' })
    }
    const words = (text: string) => {
      try {
        authorize(PEOPLE.plain, 'subscribe', channel(text))
      } catch (error) {
        const { code, message } = error as { code: string; message: string }
        return `${code} ${message.replace(text, '…')}`
      }
      return ''
    }
    t.equal(words('nowhere:x'), words('shop:s_1'))
    t.equal(words('nowhere:x'), words('conversation:c_1'))
  },
)

t.test('names that look alike are other channels, or none', async (t) => {
  const invalid = [
    'user:ana~bob',
    'user:%7F',
    'workspace:w_1~x',
    'shop:s_1~s_2',
    'room:a~b',
    'conversation:a~b',
    'channel:a~b',
    'app:main~x',
    'agent:w_1~x',
    'admin:w_1~x',
    'role:w_1',
    'role:w_1~agent~x',
    'dm:%01~ana',
    // No module where the namespace has none.
    'user:ana/orders',
    'role:w_1~agent/orders',
    'app:main/orders',
    'agent:w_1/orders',
    'admin:w_1/orders',
    'channel:whatsapp/orders',
    'conversation:c_1/orders',
    'dm:ana~bob/orders',
    'room:lobby/orders',
  ]
  for (const text of invalid) {
    t.throws(() => checkChannel(channel(text)), { code: 'INVALID_CHANNEL' }, text)
    t.throws(() => authorize(PEOPLE.service, 'publish', channel(text)), { code: 'INVALID_CHANNEL' }, text)
    for (const person of ALL)
      for (const action of ACTIONS) t.notOk(may(PEOPLE[person], action, channel(text)), text)
  }
  // None of these is a spelling of a channel that the clerk may.
  for (const text of [
    'user:Ana',
    'user:ana.',
    'user:an%C3%A1',
    'shop:s_1.',
    'shop:S_1',
    'shop:s_1%2Forders',
    'dm:an~bob',
  ]) {
    t.throws(() => authorize(PEOPLE.clerk, 'subscribe', channel(text)), { code: 'FORBIDDEN' }, text)
  }
  for (const text of [
    'user:%61na',
    'user:ana/',
    'shop:s_1/Orders',
    'dm:bob~ana',
    'dm:ana',
    'dm:ana~',
    'room:a~',
    'USER:ana',
  ]) {
    t.equal(parseChannel(text), undefined, text)
  }
})

t.test('ids beyond ASCII are compared decoded', async (t) => {
  const zoë: Claims = { sub: 'zoë@x', role: 'jefe de sala', workspaceId: 'w 1', shopId: 'ñ', exp }
  for (const text of [
    'user:zo%C3%AB@x',
    'workspace:w%201',
    'shop:%C3%B1/orders',
    'role:w%201~jefe%20de%20sala',
    'dm:ana~zo%C3%AB@x',
  ]) {
    t.ok(may(zoë, 'subscribe', channel(text)), text)
  }
  t.same(personalChannels(zoë, []), [
    'user:zo%C3%AB@x',
    'app:main',
    'workspace:w%201',
    'shop:%C3%B1',
    'role:w%201~jefe%20de%20sala',
  ])
})

t.test('no modules is not the same as all', async (t) => {
  const none: Claims = { sub: 'u', role: undefined, shopId: 's_1', modules: [], exp }
  const all: Claims = { sub: 'u', role: undefined, shopId: 's_1', exp }
  t.ok(may(none, 'subscribe', channel('shop:s_1')))
  t.notOk(may(none, 'subscribe', channel('shop:s_1/orders')))
  t.ok(may(all, 'subscribe', channel('shop:s_1/whatever')))
  t.notOk(may({ ...all, shopId: 's_2' }, 'subscribe', channel('shop:s_1/orders')))
})

t.test('a grant adds exactly its rights on exactly its channel', async (t) => {
  const guest: Claims = {
    sub: 'guest',
    role: undefined,
    exp,
    channels: [
      { channel: 'conversation:c_1', may: ['subscribe', 'signal'] },
      { channel: 'shop:s_1', may: ['publish'] },
      { channel: 'shop:s_1/orders', may: ['subscribe'] },
      { channel: 'nowhere:x', may: ['subscribe', 'publish', 'signal'] },
      { channel: 'room:a~b', may: ['subscribe'] },
    ],
  }
  const allowed = (text: string) => ACTIONS.filter((action) => may(guest, action, channel(text)))
  t.same(allowed('conversation:c_1'), ['subscribe', 'signal', 'history'])
  t.same(allowed('conversation:c_10'), [])
  t.same(allowed('shop:s_1'), ['publish'])
  t.same(allowed('shop:s_1/orders'), ['subscribe', 'history'])
  t.same(allowed('shop:s_1/chat'), [])
  t.same(allowed('nowhere:x'), [], 'not even a grant makes a namespace')
  t.same(allowed('room:a~b'), [], 'nor a channel that cannot be')
})

t.test(
  'a conversation opens to its members and to the agents of its workspace once these are known',
  async (t) => {
    const c1 = channel('conversation:c_1')
    const may3 = (claims: Claims, membership: Membership) =>
      ACTIONS.filter((action) => may(claims, action, c1, membership)).length
    t.equal(may3(PEOPLE.plain, { member: true }), 4)
    t.equal(may3(PEOPLE.plain, { member: false, workspaceId: 'w_1' }), 0)
    t.equal(may3(PEOPLE.clerk, { member: false, workspaceId: 'w_1' }), 0)
    t.equal(may3(PEOPLE.agent, { member: false, workspaceId: 'w_1' }), 4)
    t.equal(may3(PEOPLE.agentElsewhere, { member: false, workspaceId: 'w_1' }), 0)
    t.equal(may3(PEOPLE.agentOfNowhere, { member: false, workspaceId: 'w_1' }), 0)
    t.equal(may3(PEOPLE.agentOfNowhere, { member: false }), 0)
    t.notOk(may(PEOPLE.plain, 'subscribe', channel('dm:x~y'), { member: true }), 'a dm is of the two')
    t.notOk(may(PEOPLE.plain, 'subscribe', channel('shop:s_1'), { member: true }), 'a scope goes by claim')
  },
)

t.test('a session is in its personal channels by itself, and may all of them', async (t) => {
  const modules = ['orders', 'chat']
  t.same(personalChannels(PEOPLE.plain, modules), ['user:bob', 'app:main'])
  t.same(personalChannels(PEOPLE.clerk, modules), [
    'user:ana',
    'app:main',
    'workspace:w_1',
    'workspace:w_1/orders',
    'shop:s_1',
    'shop:s_1/orders',
    'role:w_1~clerk',
  ])
  t.same(personalChannels(PEOPLE.agent, modules), [
    'user:eva',
    'app:main',
    'workspace:w_1',
    'workspace:w_1/orders',
    'workspace:w_1/chat',
    'role:w_1~agent',
    'agent:w_1',
  ])
  t.same(personalChannels({ ...PEOPLE.agent, modules: [] }, modules), [
    'user:eva',
    'app:main',
    'workspace:w_1',
    'role:w_1~agent',
    'agent:w_1',
  ])
  t.same(personalChannels(PEOPLE.admin, []), [
    'user:root',
    'app:main',
    'workspace:w_9',
    'role:w_9~admin',
    'admin:w_9',
  ])
  t.same(personalChannels(PEOPLE.agentOfNowhere, modules), ['user:max', 'app:main'])
  // A role that bears a namespace's name opens nothing.
  t.same(personalChannels({ sub: 'u', role: 'room', workspaceId: 'w_1', exp }, []), [
    'user:u',
    'app:main',
    'workspace:w_1',
    'role:w_1~room',
  ])
  for (const person of ALL) {
    const claims = PEOPLE[person]
    for (const text of personalChannels(claims, modules))
      t.ok(may(claims, 'subscribe', channel(text)), `${person} ${text}`)
  }
})

t.test('what a namespace bounds', async (t) => {
  for (const namespace of ['conversation', 'dm', 'room']) {
    t.equal(usersPerChannel(namespace, 100), 100, namespace)
    t.equal(historyLimit(namespace), 1000, namespace)
    t.ok(pushesPresence(namespace), namespace)
    t.notOk(hasModules(namespace), namespace)
  }
  for (const namespace of ['user', 'workspace', 'shop', 'role', 'app', 'admin', 'agent', 'channel']) {
    t.equal(usersPerChannel(namespace, 100), Number.POSITIVE_INFINITY, namespace)
    t.equal(historyLimit(namespace), 200, namespace)
    t.notOk(pushesPresence(namespace), namespace)
    t.equal(hasModules(namespace), namespace === 'workspace' || namespace === 'shop', namespace)
  }
  t.equal(historyLimit('nowhere'), 0)
})
