import { type AddressInfo, createServer } from 'node:net'

/** Listens for a moment, and resolves to the port. Rejects with the operating system's reason. */
export function probePort(host: string, port: number): Promise<number> {
  const probe = createServer()
  return new Promise((resolve, reject) => {
    probe.once('error', reject)
    probe.listen({ host, port, exclusive: true }, () => {
      const found = (probe.address() as AddressInfo).port
      probe.close(() => resolve(found))
    })
  })
}
