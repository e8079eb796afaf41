import { type Channel, withModule } from '../../protocol/v1/channel.ts'
import { ProtocolError } from '../../protocol/v1/errors.ts'

/** What is known of one event type. */
export interface EventType {
  /** The part of the application that it concerns; absent: it concerns everybody in the channel. */
  readonly module?: string
}

/** The types that ship. Those of a module go to the module's channel of a scope, and only who has the module sees them. */
const EVENT_TYPES: Readonly<Record<string, EventType>> = {
  order_created: { module: 'orders' },
  order_updated: { module: 'orders' },
  transaction_approved: { module: 'transactions' },
  transaction_failed: { module: 'transactions' },
  chat_message: { module: 'chat' },

  // What a client asks for.
  'message:send': {},
  'typing:start': {},
  'typing:stop': {},
  'conversation:read': {},
  'agent:takeover': {},
  'agent:return-to-bot': {},
  'sync:state': {},

  // What came of it.
  'message:new': {},
  'message:sent': {},
  'message:delivered': {},
  'message:read': {},
  'message:error': {},
  'conversation:new': {},
  'conversation:updated': {},
  'conversation:assigned': {},
  'escalation:started': {},
  'escalation:accepted': {},
  'bot:resumed': {},
  'media:uploaded': {},
  'media:upload:progress': {},
  'presence:update': {},
  'user:connected': {},
  'user:disconnected': {},
  'state:synced': {},
  notification: {},
  'system:notification': {},
}

export interface CatalogueOptions {
  /** What becomes of a type that is not in the catalogue (`UNKNOWN_TYPES`). */
  readonly unknownTypes: 'allow' | 'refuse'
  /** Is this a scope namespace, where each module has a channel? The policy table knows. */
  readonly hasModules: (namespace: string) => boolean
  readonly types?: Readonly<Record<string, EventType>>
}

export interface Catalogue {
  /** Every module that some type belongs to. */
  readonly modules: readonly string[]
  isKnownType(type: string): boolean
  /** Undefined: none, or the type is unknown. */
  moduleOf(type: string): string | undefined
  /**
   * Where an event of the type goes that was published to `channel`: in a scope to its module's channel, anywhere else
   * where it was sent. Throws `INVALID_CHANNEL` where another module was named, and `UNKNOWN_TYPE` by configuration.
   * Rights are asked for the channel that comes out.
   */
  route(channel: Channel, type: string): Channel
}

export function createCatalogue({
  unknownTypes,
  hasModules,
  types: table = EVENT_TYPES,
}: CatalogueOptions): Catalogue {
  // Not the object itself: `constructor` is a valid type, and every object has one.
  const types = new Map(Object.entries(table))
  const modules = new Set<string>()
  for (const { module } of types.values()) if (module !== undefined) modules.add(module)

  return {
    modules: [...modules],
    isKnownType: (type) => types.has(type),
    moduleOf: (type) => types.get(type)?.module,
    route(channel, type) {
      const entry = types.get(type)
      if (entry === undefined) {
        if (unknownTypes === 'refuse')
          throw new ProtocolError('UNKNOWN_TYPE', `no event type '${type}' is known`)
        // Nothing says where it belongs, so the publisher does.
        return channel
      }
      const { module } = entry
      if (channel.module === module || !hasModules(channel.namespace)) return channel
      const { namespace, id } = channel
      const scope = `${namespace}:${id}`
      if (module === undefined) throw wrongModule(type, scope)
      const text = withModule(scope, module)
      if (channel.module !== undefined) throw wrongModule(type, text)
      return { namespace, id, module, text }
    },
  }
}

function wrongModule(type: string, right: string): ProtocolError {
  return new ProtocolError('INVALID_CHANNEL', `'${type}' goes to ${right}`, { channel: right })
}
