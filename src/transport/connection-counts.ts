import { refusal } from './refusal.ts'
import type { HttpResponse, TransportOptions } from './transport.ts'

/** An address that has open WebSockets; all of them share this object. */
export interface Address {
  readonly ip: string
  connections: number
}

/** Open WebSockets, in total and by address. */
export class ConnectionCounts {
  readonly #max: number
  readonly #maxPerIp: number
  readonly #addresses = new Map<string, Address>()
  #total = 0

  constructor(limits: Pick<TransportOptions, 'maxConnections' | 'maxConnectionsPerIp'>) {
    this.#max = limits.maxConnections
    this.#maxPerIp = limits.maxConnectionsPerIp
  }

  get total(): number {
    return this.#total
  }

  /** Undefined where one more from there may open. */
  refuse(ip: string): HttpResponse | undefined {
    const headers = { 'retry-after': '1' }
    if (this.#total >= this.#max) {
      return refusal('OVERLOADED', `This server has its ${this.#max} connections.`, { headers })
    }
    if ((this.#addresses.get(ip)?.connections ?? 0) >= this.#maxPerIp) {
      return refusal('RATE_LIMITED', `An address may have ${this.#maxPerIp} connections.`, { headers })
    }
    return undefined
  }

  opened(ip: string): Address {
    this.#total++
    let address = this.#addresses.get(ip)
    if (address === undefined) {
      address = { ip, connections: 0 }
      this.#addresses.set(ip, address)
    }
    address.connections++
    return address
  }

  closed(address: Address): void {
    this.#total--
    if (--address.connections === 0) this.#addresses.delete(address.ip)
  }
}
