/** True for an address, or the host name, that only this machine can reach. */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  if (address === 'localhost' || address === '::1' || address === '0:0:0:0:0:0:0:1') return true
  return /^(::ffff:)?127(\.\d{1,3}){3}$/.test(address)
}
