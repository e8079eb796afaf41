import { channelOfParts, parseChannel } from '../../protocol/v1/channel.ts'
import { isUserId } from '../../protocol/v1/names.ts'
import type { Claims, Grant, Right } from './claims.ts'
import { checkChannel } from './policy.ts'

/** A claim has not the form that it must have. Never quotes the value. */
export class ClaimError extends Error {
  override readonly name = 'ClaimError'
  readonly claim: string

  constructor(claim: string, problem: string) {
    super(`the "${claim}" claim ${problem}`)
    this.claim = claim
  }
}

/** Each module is a channel of every scope; with workspace and shop they have to leave room for other channels. */
const MAX_MODULES = 100
/** 8.64e12 s is the last date of JavaScript; `expiresAt` in milliseconds has to stay below 2^53. */
const MAX_TIME_S = 8.64e12

/**
 * Takes from a token's payload what the server uses, and refuses what is not of its type: a `modules` that was meant
 * as a list and came as `null` must not mean "all". Claims that the server does not know are left out.
 */
export function readClaims(payload: Readonly<Record<string, unknown>>): Claims {
  const name = (claim: string): string | undefined => {
    const value = payload[claim]
    if (value === undefined || isUserId(value)) return value
    throw new ClaimError(claim, 'must be a string of 1 to 128 bytes of UTF-8 without control characters')
  }
  const time = (claim: string): number | undefined => {
    const value = payload[claim]
    // 1e999 is valid JSON and reads as Infinity.
    if (value === undefined || (typeof value === 'number' && value >= 0 && value <= MAX_TIME_S)) return value
    throw new ClaimError(claim, 'must be a number of seconds since 1970')
  }
  const claims: Claims = {
    sub: required('sub', name('sub')),
    role: name('role'),
    ...present('workspaceId', name('workspaceId')),
    ...present('shopId', name('shopId')),
    ...present('modules', modulesOf(payload.modules)),
    ...present('channels', grantsOf(payload.channels)),
    ...present('tenantId', name('tenantId')),
    exp: required('exp', time('exp')),
    ...present('iat', time('iat')),
  }
  checkRoleChannel(claims)
  return Object.freeze(claims)
}

function modulesOf(value: unknown): readonly string[] | undefined {
  if (value === undefined) return undefined
  if (!Array.isArray(value)) throw new ClaimError('modules', 'must be an array of module names')
  const modules = new Set<string>()
  for (const [index, module] of value.entries()) {
    if (typeof module !== 'string' || parseChannel(`shop:s/${module}`)?.module !== module) {
      throw new ClaimError(`modules[${index}]`, 'must be a module name such as "orders"')
    }
    modules.add(module)
  }
  if (modules.size > MAX_MODULES) throw new ClaimError('modules', `must not name more than ${MAX_MODULES}`)
  return Object.freeze([...modules])
}

const RIGHTS: readonly unknown[] = ['subscribe', 'publish', 'signal'] satisfies Right[]
/** What a channel that is only named allows: to take part, without leaving a trace in the log. */
const RIGHTS_OF_NAME: readonly Right[] = ['subscribe', 'signal']

function grantsOf(value: unknown): readonly Grant[] | undefined {
  if (value === undefined) return undefined
  if (!Array.isArray(value)) throw new ClaimError('channels', 'must be an array of channels')
  return Object.freeze(value.map((item: unknown, index) => grantOf(item, `channels[${index}]`)))
}

function grantOf(item: unknown, claim: string): Grant {
  const isName = typeof item === 'string'
  const { channel: text, may } = isName ? { channel: item, may: RIGHTS_OF_NAME } : fieldsOf(item, claim)
  const channel = typeof text === 'string' ? parseChannel(text) : undefined
  if (channel === undefined) throw new ClaimError(claim, 'must name a channel')
  try {
    checkChannel(channel)
  } catch {
    // A grant for what cannot be a channel is a mistake of the issuer, better seen now than searched for later.
    throw new ClaimError(claim, `must name a channel as ${channel.namespace}: has them`)
  }
  if (!Array.isArray(may) || !may.every((right): right is Right => RIGHTS.includes(right))) {
    throw new ClaimError(
      claim,
      `must have "may", an array of ${RIGHTS.map((right) => `"${right}"`).join(', ')}`,
    )
  }
  return Object.freeze({ channel: channel.text, may: Object.freeze([...may]) })
}

function fieldsOf(item: unknown, claim: string): { channel?: unknown; may?: unknown } {
  if (typeof item === 'object' && item !== null) return item
  throw new ClaimError(claim, 'must be a channel, or an object with "channel" and "may"')
}

/** Each is short enough alone (`isUserId`); together they may not be. */
function checkRoleChannel({ workspaceId, role }: Claims): void {
  if (workspaceId === undefined || role === undefined) return
  try {
    channelOfParts('role', workspaceId, role)
  } catch {
    throw new ClaimError('role', 'is too long to be a channel together with "workspaceId"')
  }
}

function required<T>(claim: string, value: T | undefined): T {
  if (value === undefined) throw new ClaimError(claim, 'is missing')
  return value
}

/** `{}` for what is absent, so that an absent claim is an absent property. */
function present<Name extends string, T>(name: Name, value: T | undefined): { [N in Name]?: T } {
  return value === undefined ? {} : ({ [name]: value } as { [N in Name]: T })
}
