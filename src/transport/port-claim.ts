import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** How long whoever has the port may take to answer. */
const PROBE_MS = 1_000

/**
 * Makes sure that nobody else serves `port`, for an engine that would share it without a word: uWebSockets.js listens with
 * SO_REUSEPORT, and with its option for an exclusive port it lacks SO_REUSEADDR, so that after an orderly stop connections
 * in TIME_WAIT keep the port from its successor for a minute.
 *
 * Resolves to what gives the claim back. Rejects with an `EADDRINUSE`.
 */
export async function claimPort(host: string, port: number): Promise<() => void> {
  // The system picks a port that nobody has.
  if (port === 0) return () => {}
  const release = await claimName(host, port)
  if (await answers(host, port)) {
    release()
    throw inUse()
  }
  return release
}

/** Of two servers that start at the same moment one gets the name: an abstract socket, gone with its process. */
async function claimName(host: string, port: number): Promise<() => void> {
  if (process.platform !== 'linux') return () => {}
  const claim = createServer()
  claim.listen(`\0bitacora ${host} ${port}`)
  await once(claim, 'listening')
  claim.unref()
  return () => claim.close()
}

function answers(host: string, port: number): Promise<boolean> {
  const socket = connect({ host: reachable(host), port, timeout: PROBE_MS })
  return new Promise((resolve) => {
    const done = (answered: boolean) => {
      socket.destroy()
      resolve(answered)
    }
    socket.once('connect', () => done(true))
    socket.once('error', () => done(false))
    socket.once('timeout', () => done(false))
  })
}

function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}

function inUse(): NodeJS.ErrnoException {
  return Object.assign(new Error('address already in use'), { code: 'EADDRINUSE' })
}
