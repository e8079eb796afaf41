/**
 * PostgreSQL's binary array format, one dimension. `pg` sends a Buffer parameter in binary: no escaping, no quoting,
 * and no text that could be read as something else. Format: src/backend/utils/adt/arrayfuncs.c, `array_recv`.
 */

const TEXT_OID = 25
const INT4_OID = 23
const INT8_OID = 20
const HEADER_BYTES = 20

function writeHeader(buffer: Buffer, elementOid: number, length: number, hasNull: boolean): void {
  buffer.writeInt32BE(length === 0 ? 0 : 1, 0)
  buffer.writeInt32BE(hasNull ? 1 : 0, 4)
  buffer.writeInt32BE(elementOid, 8)
  if (length === 0) return
  buffer.writeInt32BE(length, 12)
  buffer.writeInt32BE(1, 16)
}

/** A `text[]`. */
export function textArray(values: readonly (string | undefined)[]): Buffer {
  if (values.length === 0) return emptyArray(TEXT_OID)
  let bytes = HEADER_BYTES
  // Three bytes per UTF-16 unit is the most that UTF-8 takes; one pass with a tight bound is cheaper than measuring.
  for (const value of values) bytes += 4 + (value === undefined ? 0 : value.length * 3)
  const buffer = Buffer.allocUnsafe(bytes)
  let at = HEADER_BYTES
  let hasNull = false
  for (const value of values) {
    if (value === undefined) {
      hasNull = true
      at = buffer.writeInt32BE(-1, at)
      continue
    }
    const length = buffer.write(value, at + 4, 'utf8')
    buffer.writeInt32BE(length, at)
    at += 4 + length
  }
  writeHeader(buffer, TEXT_OID, values.length, hasNull)
  return buffer.subarray(0, at)
}

/** An `int[]`. */
export function intArray(values: readonly number[]): Buffer {
  if (values.length === 0) return emptyArray(INT4_OID)
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + 8 * values.length)
  writeHeader(buffer, INT4_OID, values.length, false)
  let at = HEADER_BYTES
  for (const value of values) {
    at = buffer.writeInt32BE(4, at)
    at = buffer.writeInt32BE(value, at)
  }
  return buffer
}

/** A `bigint[]` of safe integers; `undefined` is null. */
export function bigintArray(values: readonly (number | undefined)[]): Buffer {
  if (values.length === 0) return emptyArray(INT8_OID)
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + 12 * values.length)
  let at = HEADER_BYTES
  let hasNull = false
  for (const value of values) {
    if (value === undefined) {
      hasNull = true
      at = buffer.writeInt32BE(-1, at)
      continue
    }
    at = buffer.writeInt32BE(8, at)
    at = buffer.writeInt32BE(Math.floor(value / 0x1_0000_0000), at)
    at = buffer.writeUInt32BE(value % 0x1_0000_0000, at)
  }
  writeHeader(buffer, INT8_OID, values.length, hasNull)
  return buffer.subarray(0, at)
}

function emptyArray(elementOid: number): Buffer {
  const buffer = Buffer.alloc(12)
  writeHeader(buffer, elementOid, 0, false)
  return buffer
}
