/** From the bytes of a message to a frame that is known to be one (§10.1). */

import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { parseChannel } from './channel.ts'
import { clientSchemas } from './client-frames.ts'
import type { Codec } from './codec.ts'
import { ProtocolError, TooDeep } from './errors.ts'
import type { ClientFrame } from './frames.ts'

export { isMessageId, isType, isUserId, MESSAGE_ID_PATTERN, TYPE_PATTERN } from './names.ts'
export { acceptPayload } from './payload.ts'

export interface Read {
  readonly frame: ClientFrame
  readonly error?: undefined
}

export interface Unreadable {
  readonly frame?: undefined
  readonly error: ProtocolError
  /** The request's id where it could be found. */
  readonly id?: number
  /** The connection ends: `error`, `bye`, 4400. */
  readonly fatal: boolean
}

interface Op {
  readonly schema: {
    readonly properties: Readonly<Record<string, TSchema & { description?: string }>>
  } & TSchema
  readonly required: ReadonlySet<string>
  check(value: unknown): boolean
}

const ops = new Map<string, Op>()
for (const [op, schema] of Object.entries(clientSchemas)) {
  const validator = Compile(schema as TSchema)
  const required = new Set<string>(schema.required)
  ops.set(op, { schema, required, check: (value) => validator.Check(value) })
}

/** Never throws. A frame's `channel` is of the grammar and canonical; its `payload` is not accepted yet. */
export function readFrame(codec: Codec, bytes: Uint8Array, binary: boolean): Read | Unreadable {
  let value: unknown
  try {
    value = codec.decode(bytes, binary)
  } catch (error) {
    return unreadable(error)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { error: new ProtocolError('BAD_FRAME', 'A frame is one object with an op.'), fatal: true }
  }
  const fields = value as Record<string, unknown>
  const op = typeof fields.op === 'string' ? ops.get(fields.op) : undefined
  if (op?.check(value) && (!op.required.has('channel') || isCanonical(fields.channel as string))) {
    return { frame: value as ClientFrame }
  }
  const error = op === undefined ? unknownOp(fields) : mismatch(op, fields)
  return isRequestId(fields.id) ? { error, id: fields.id, fatal: false } : { error, fatal: false }
}

/** The grammar has been checked; only an id with escapes or separators can still be another spelling. */
function isCanonical(channel: string): boolean {
  if (!channel.includes('%') && !channel.includes('~') && !channel.startsWith('dm:')) return true
  return parseChannel(channel) !== undefined
}

function isRequestId(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffffffff
}

function unreadable(error: unknown): Unreadable {
  if (error instanceof TooDeep) {
    return error.id === undefined ? { error, fatal: false } : { error, id: error.id, fatal: false }
  }
  if (error instanceof ProtocolError) return { error, fatal: true }
  return {
    error: new ProtocolError('BAD_FRAME', 'The frame cannot be decoded.', undefined, { cause: error }),
    fatal: true,
  }
}

function unknownOp(fields: Record<string, unknown>): ProtocolError {
  if (!isOptionalId(fields)) return wrong('/id', 'an unsigned 32-bit integer')
  if (typeof fields.op !== 'string') return wrong('/op', 'a string')
  return new ProtocolError('UNKNOWN_OP', `There is no op '${printable(fields.op)}'.`)
}

function isOptionalId(fields: Record<string, unknown>): boolean {
  return fields.id === undefined || isRequestId(fields.id)
}

function printable(text: string): string {
  return text.slice(0, 32).replaceAll(/[^ -~]/g, '?')
}

/** Why `fields` is no frame of its op. The first field in the order of the schema counts, `id` before all others. */
function mismatch({ schema, required }: Op, fields: Record<string, unknown>): ProtocolError {
  if (!isOptionalId(fields)) return wrong('/id', 'an unsigned 32-bit integer')
  for (const [name, property] of Object.entries(schema.properties)) {
    const present = Object.hasOwn(fields, name)
    if (present ? fits(property, fields[name]) : !required.has(name)) continue
    if (name === 'payload') {
      return new ProtocolError('INVALID_PAYLOAD', 'The payload is missing.', { path: '/payload' })
    }
    if (name === 'channel' && typeof fields.channel === 'string') return invalidChannel()
    return wrong(`/${name}`, property.description ?? 'another value')
  }
  const { dependentRequired = {} } = schema as {
    dependentRequired?: Readonly<Record<string, readonly string[]>>
  }
  for (const [name, others] of Object.entries(dependentRequired)) {
    const missing = Object.hasOwn(fields, name)
      ? others.find((other) => !Object.hasOwn(fields, other))
      : undefined
    if (missing !== undefined) return wrong(`/${missing}`, `present, since ${name} is`)
  }
  return invalidChannel()
}

/** Compiled when a field is wrong for the first time; most never are. */
const validators = new WeakMap<TSchema, (value: unknown) => boolean>()

function fits(schema: TSchema, value: unknown): boolean {
  let check = validators.get(schema)
  if (check === undefined) {
    const validator = Compile(schema)
    check = (value) => validator.Check(value)
    validators.set(schema, check)
  }
  return check(value)
}

function wrong(path: string, expected: string): ProtocolError {
  return new ProtocolError('BAD_FRAME', `${path.slice(1)} must be ${expected}.`, { path, expected })
}

function invalidChannel(): ProtocolError {
  return new ProtocolError('INVALID_CHANNEL', 'channel must be a channel name in its one spelling.', {
    path: '/channel',
  })
}
