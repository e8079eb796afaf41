import t from 'tap'
import { type Channel, parseChannel } from '../../protocol/v1/channel.ts'
import { ProtocolError } from '../../protocol/v1/errors.ts'
import { hasModules } from '../../src/access/policy.ts'
import { createCatalogue } from '../../src/catalogue/catalogue.ts'

const channel = (text: string) => parseChannel(text) as Channel
const catalogue = createCatalogue({ unknownTypes: 'allow', hasModules })
const strict = createCatalogue({ unknownTypes: 'refuse', hasModules })

t.test('the modules that ship, and their types', async (t) => {
  t.same(catalogue.modules, ['orders', 'transactions', 'chat'])
  const modules: [string, string | undefined][] = [
    ['order_created', 'orders'],
    ['order_updated', 'orders'],
    ['transaction_approved', 'transactions'],
    ['transaction_failed', 'transactions'],
    ['chat_message', 'chat'],
    ['message:new', undefined],
    ['typing:start', undefined],
  ]
  for (const [type, module] of modules) {
    t.equal(catalogue.moduleOf(type), module, type)
    t.ok(catalogue.isKnownType(type), type)
  }
})

t.test('every event of the event catalogue is known', async (t) => {
  const types =
    'message:new message:sent message:delivered message:read message:error conversation:updated conversation:new ' +
    'conversation:assigned escalation:started escalation:accepted bot:resumed media:uploaded ' +
    'media:upload:progress presence:update user:connected user:disconnected state:synced notification ' +
    'system:notification message:send typing:start typing:stop conversation:read agent:takeover ' +
    'agent:return-to-bot sync:state'
  for (const type of types.split(' ')) {
    t.ok(catalogue.isKnownType(type), type)
    t.equal(catalogue.moduleOf(type), undefined, type)
  }
})

t.test('what every object has is no event type', async (t) => {
  for (const type of ['constructor', 'toString', '__proto__', 'hasOwnProperty', '']) {
    t.notOk(catalogue.isKnownType(type), type)
    t.equal(catalogue.moduleOf(type), undefined, type)
  }
})

t.test('an event goes to the channel of its module in a scope, and nowhere else', async (t) => {
  const routes: [published: string, type: string, goesTo: string][] = [
    ['shop:s_1', 'order_created', 'shop:s_1/orders'],
    ['shop:s_1/orders', 'order_created', 'shop:s_1/orders'],
    ['workspace:w%20%C3%A9', 'transaction_failed', 'workspace:w%20%C3%A9/transactions'],
    ['shop:s_1', 'notification', 'shop:s_1'],
    ['user:u_1', 'order_created', 'user:u_1'],
    ['room:lobby', 'chat_message', 'room:lobby'],
    ['dm:a~b', 'chat_message', 'dm:a~b'],
    ['nowhere:x', 'order_created', 'nowhere:x'],
    // Nobody has said where this one belongs.
    ['shop:s_1', 'stock_low', 'shop:s_1'],
    ['shop:s_1/inventory', 'stock_low', 'shop:s_1/inventory'],
  ]
  for (const [published, type, goesTo] of routes) {
    t.same(catalogue.route(channel(published), type), channel(goesTo), `${type} to ${published}`)
  }
})

t.test('the channel of another module is refused, and the right one is named', async (t) => {
  const wrong: [published: string, type: string, right: string][] = [
    ['shop:s_1/chat', 'order_created', 'shop:s_1/orders'],
    ['workspace:w_1/nothing', 'chat_message', 'workspace:w_1/chat'],
    ['shop:s_1/orders', 'notification', 'shop:s_1'],
  ]
  for (const [published, type, right] of wrong) {
    t.throws(() => catalogue.route(channel(published), type), {
      code: 'INVALID_CHANNEL',
      message: `'${type}' goes to ${right}`,
      details: { channel: right },
    })
  }
})

t.test('an unknown type is refused where the configuration says so', async (t) => {
  for (const text of ['shop:s_1', 'shop:s_1/orders', 'room:lobby']) {
    t.throws(
      () => strict.route(channel(text), 'stock_low'),
      new ProtocolError('UNKNOWN_TYPE', "no event type 'stock_low' is known"),
    )
  }
  t.equal(strict.route(channel('shop:s_1'), 'order_created').text, 'shop:s_1/orders')
})

t.test('own types bring their own modules', async (t) => {
  const own = createCatalogue({
    unknownTypes: 'refuse',
    hasModules,
    types: { stock_low: { module: 'inventory' }, hello: {} },
  })
  t.same(own.modules, ['inventory'])
  t.equal(own.route(channel('shop:s_1'), 'stock_low').text, 'shop:s_1/inventory')
  t.throws(() => own.route(channel('shop:s_1'), 'order_created'), { code: 'UNKNOWN_TYPE' })
})
