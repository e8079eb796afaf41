import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

type Mode = 'pass' | 'stall' | 'swallow' | 'tear'

/** A way to Postgres that breaks in ways in which neither end breaks by itself. */
export class DatabaseProxy {
  readonly port: number
  readonly #server: Server
  readonly #pairs = new Set<readonly [client: Socket, database: Socket]>()
  #mode: Mode = 'pass'

  private constructor(server: Server, databasePort: number) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (client) => this.#join(client, connect(databasePort, '127.0.0.1')))
  }

  static async listen(databasePort: number): Promise<DatabaseProxy> {
    const server = createServer({ allowHalfOpen: false })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new DatabaseProxy(server, databasePort)
  }

  /** Ends every connection, in both directions. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
  }

  /** Lets nothing through, in either direction. */
  stall(): void {
    this.#mode = 'stall'
    for (const pair of this.#pairs) for (const socket of pair) socket.pause()
  }

  /** Statements go through and are executed; the answers are lost. */
  swallow(): void {
    this.#mode = 'swallow'
  }

  /** The next answer on each connection comes in part, then the connection ends. */
  tear(): void {
    this.#mode = 'tear'
  }

  pass(): void {
    this.#mode = 'pass'
    for (const pair of this.#pairs) for (const socket of pair) socket.resume()
  }

  close(): void {
    this.#server.close()
    this.cut()
  }

  #join(client: Socket, database: Socket): void {
    const pair = [client, database] as const
    this.#pairs.add(pair)
    const end = () => {
      this.#pairs.delete(pair)
      for (const socket of pair) socket.destroy()
    }
    for (const socket of pair) {
      socket.setNoDelay(true)
      socket.on('error', () => {}) // 'close' follows
      socket.on('close', end)
      if (this.#mode === 'stall') socket.pause()
    }
    client.on('data', (bytes) => database.write(bytes))
    database.on('data', (bytes) => {
      if (this.#mode === 'swallow') return
      if (this.#mode !== 'tear') return void client.write(bytes)
      client.write(bytes.subarray(0, bytes.length >> 1), end)
    })
  }
}
