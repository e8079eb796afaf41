const MAPPED_PREFIX = Buffer.from('00000000000000000000ffff', 'hex')

/** An address as the operating system has it, 4 or 16 bytes, in its usual text form; IPv4 inside IPv6 as IPv4. */
export function ipFromBytes(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) return ''
  const address = Buffer.from(bytes)
  if (address.subarray(0, 12).equals(MAPPED_PREFIX)) return address.subarray(12).join('.')
  const groups = Array.from({ length: 8 }, (_, group) => address.readUInt16BE(group * 2).toString(16))
  // RFC 5952 is also how a URL is serialised.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

/** The same for the text form that Node gives. */
export function ipFromText(address: string | undefined): string {
  if (address === undefined) return ''
  if (address.startsWith('::ffff:') && address.includes('.')) return address.slice('::ffff:'.length)
  const zone = address.indexOf('%')
  return zone < 0 ? address : address.slice(0, zone)
}
