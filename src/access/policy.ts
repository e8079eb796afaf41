import { type Channel, channelOf, channelOfParts, partsOf } from '../../protocol/v1/channel.ts'
import { ProtocolError } from '../../protocol/v1/errors.ts'
import { LIMITS } from '../../protocol/v1/limits.ts'
import { isUserId } from '../../protocol/v1/names.ts'
import type { Claims, Right } from './claims.ts'

/** `history` is not a right of its own: whoever may subscribe may read what was said before. */
export type Action = Right | 'history'

/**
 * What is known of a channel beside the token. Until memberships are stored nobody passes one, and what depends on it
 * is refused.
 */
export interface Membership {
  /** The bearer is a member of the channel. */
  readonly member: boolean
  /** The workspace that a conversation belongs to. */
  readonly workspaceId?: string
}

/** May this bearer, for whom neither role nor grant speaks? `names`: the parts of the channel's id, decoded. */
type Rule = (claims: Claims, names: readonly string[], channel: Channel, membership?: Membership) => boolean

interface Row {
  /** What the id has to be where the names in it, decoded, are not that. */
  readonly wrong: (names: readonly string[]) => string | undefined
  /** `shop:s_1/orders` is a channel. */
  readonly modules: boolean
  readonly subscribe: Rule
  readonly publish: Rule
  readonly signal: Rule
  /** How many users a channel takes: as configured, or as many as have the right. */
  readonly users: 'limited' | 'unlimited'
  /** The most events that one `history`, or the `last` of a `subscribe`, is answered with. */
  readonly history: number
  /** Members see each other come and go without asking. */
  readonly presence: boolean
}

const oneName: Row['wrong'] = (names) => (names.length === 1 ? undefined : 'one name, without ~')
const oneUser: Row['wrong'] = (names) => (names.length === 1 && isUserId(names[0]) ? undefined : 'a user id')
// That there are two, and in which order, is in the grammar.
const twoUsers: Row['wrong'] = (names) => (names.every(isUserId) ? undefined : 'two user ids')
const workspaceAndRole: Row['wrong'] = (names) =>
  names.length === 2 ? undefined : 'a workspace, ~ and a role'

const nobody: Rule = () => false
const everybody: Rule = () => true
const thatUser: Rule = (claims, [user]) => claims.sub === user
const inWorkspace: Rule = (claims, [id], channel) => claims.workspaceId === id && hasModule(claims, channel)
const inShop: Rule = (claims, [id], channel) => claims.shopId === id && hasModule(claims, channel)
const withRole: Rule = (claims, [workspace, role]) => claims.workspaceId === workspace && claims.role === role
const agents: Rule = (claims) => claims.role === 'agent'
const agentsOfWorkspace: Rule = (claims, [id]) => claims.role === 'agent' && claims.workspaceId === id
const oneOfTheTwo: Rule = (claims, users) => users.includes(claims.sub)
// A conversation's id does not tell its workspace. As long as nothing else does, an agent of another workspace could
// not be told apart, so agents come in by a grant until a membership is passed.
const inConversation: Rule = (claims, _, __, membership) =>
  membership?.member === true ||
  (claims.role === 'agent' &&
    claims.workspaceId !== undefined &&
    claims.workspaceId === membership?.workspaceId)

// What rows have in common. Scopes and spaces carry what an application tells its users: everybody who has the right
// gets it, or a claim would be worth nothing. Talk is where users meet.
const SCOPE = { wrong: oneName, modules: true, users: 'unlimited', history: 200, presence: false } as const
const SPACE = { ...SCOPE, modules: false } as const
const TALK = {
  wrong: oneName,
  modules: false,
  users: 'limited',
  history: LIMITS.maxHistoryEvents,
  presence: true,
} as const

/**
 * Who may what, for everybody but the roles `service` and `admin`, who may everything in these namespaces (SPEC §7). A
 * grant in the token's `channels` claim adds to it. A namespace that is not here does not exist.
 */
const POLICY = {
  user: { subscribe: thatUser, publish: nobody, signal: nobody, ...SPACE, wrong: oneUser },
  workspace: { subscribe: inWorkspace, publish: nobody, signal: inWorkspace, ...SCOPE },
  shop: { subscribe: inShop, publish: nobody, signal: inShop, ...SCOPE },
  role: { subscribe: withRole, publish: nobody, signal: nobody, ...SPACE, wrong: workspaceAndRole },
  app: { subscribe: everybody, publish: nobody, signal: nobody, ...SPACE },
  agent: { subscribe: agentsOfWorkspace, publish: nobody, signal: nobody, ...SPACE },
  admin: { subscribe: nobody, publish: nobody, signal: nobody, ...SPACE },
  channel: { subscribe: agents, publish: nobody, signal: nobody, ...SPACE },
  conversation: { subscribe: inConversation, publish: inConversation, signal: inConversation, ...TALK },
  dm: { subscribe: oneOfTheTwo, publish: oneOfTheTwo, signal: oneOfTheTwo, ...TALK, wrong: twoUsers },
  room: { subscribe: everybody, publish: everybody, signal: everybody, ...TALK },
} satisfies Record<string, Row>

const ROWS: ReadonlyMap<string, Row> = new Map(Object.entries(POLICY))

/** The space that every session is in. */
const APP_SPACE = 'main'

/** Pure: the same answer for the same arguments. A channel that cannot be is one that nobody may. */
export function may(claims: Claims, action: Action, channel: Channel, membership?: Membership): boolean {
  const row = ROWS.get(channel.namespace)
  if (row === undefined) return false
  const names = partsOf(channel)
  if (problemOf(row, names, channel) !== undefined) return false
  if (claims.role === 'service' || claims.role === 'admin') return true
  const right = action === 'history' ? 'subscribe' : action
  return row[right](claims, names, channel, membership) || isGranted(claims, right, channel)
}

/**
 * Throws `INVALID_CHANNEL` for a channel that cannot be, and `FORBIDDEN` for one that the bearer may not, in the same
 * words as for a namespace that does not exist.
 */
export function authorize(claims: Claims, action: Action, channel: Channel, membership?: Membership): void {
  checkChannel(channel)
  if (may(claims, action, channel, membership)) return
  throw new ProtocolError('FORBIDDEN', `not allowed: ${action} on ${channel.text}`, {
    channel: channel.text,
    action,
  })
}

/** Throws `INVALID_CHANNEL` where the text is a channel by the grammar and yet none by its namespace. */
export function checkChannel(channel: Channel): void {
  const row = ROWS.get(channel.namespace)
  const problem = row && problemOf(row, partsOf(channel), channel)
  if (problem === undefined) return
  throw new ProtocolError('INVALID_CHANNEL', `'${channel.text}' is not a channel: ${problem}`)
}

function problemOf(row: Row, names: readonly string[], channel: Channel): string | undefined {
  if (channel.module !== undefined && !row.modules) return `${channel.namespace}: has no modules`
  const expected = row.wrong(names)
  return expected && `${channel.namespace}: takes ${expected}`
}

const isGranted = (claims: Claims, right: Right, channel: Channel) =>
  claims.channels?.some((grant) => grant.channel === channel.text && grant.may.includes(right)) === true

const hasModule = (claims: Claims, { module }: Channel) =>
  module === undefined || claims.modules === undefined || claims.modules.includes(module)

/**
 * The channels that a session is subscribed to by itself, each of them allowed by the table. `modules` are those of
 * the catalogue, for a token that does not name any.
 */
export function personalChannels(claims: Claims, modules: readonly string[]): string[] {
  const { sub, workspaceId, shopId, role } = claims
  const channels = [channelOf('user', sub), channelOf('app', APP_SPACE)]
  const scope = (namespace: string, id: string) => {
    channels.push(channelOf(namespace, id))
    for (const module of claims.modules ?? modules) channels.push(channelOf(namespace, id, module))
  }
  if (workspaceId !== undefined) scope('workspace', workspaceId)
  if (shopId !== undefined) scope('shop', shopId)
  if (workspaceId !== undefined && role !== undefined) {
    channels.push(channelOfParts('role', workspaceId, role))
    if (role === 'agent' || role === 'admin') channels.push(channelOf(role, workspaceId))
  }
  return channels
}

/** A scope namespace: events of a module go to a channel of their own. */
export const hasModules = (namespace: string): boolean => ROWS.get(namespace)?.modules === true
export const pushesPresence = (namespace: string): boolean => ROWS.get(namespace)?.presence === true
/** The most events of one `history` answer. */
export const historyLimit = (namespace: string): number => ROWS.get(namespace)?.history ?? 0
/** How many users a channel of the namespace takes, where `configured` is `MAX_USERS_PER_CHANNEL`. */
export function usersPerChannel(namespace: string, configured: number): number {
  return ROWS.get(namespace)?.users === 'limited' ? configured : Number.POSITIVE_INFINITY
}
