import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { JWT_SECRET } from '../tokens.ts'
import { end, track } from './children.ts'
import { freePort } from './free-port.ts'
import { MEASURED_NODE_OPTIONS, type MeasuredServer } from './measured-server.ts'

const BUILT = fileURLToPath(new URL('../../dist/src/cli.js', import.meta.url))
const START_MS = 20_000
const POLL_MS = 50
/** Far above what any scenario opens: the limits are not what is measured here. */
const NO_LIMIT = '1000000'

export interface ServerOptions {
  readonly databaseUrl: string
  readonly engine: string
  /** Its CLI, if it is not this build. */
  readonly cli?: string | undefined
  /** Settings by their environment names, over those that every scenario has. */
  readonly settings?: Record<string, string>
  /** Where to write a V8 CPU profile at the end, and how to call it. */
  readonly profile?: { readonly dir: string; readonly name: string } | undefined
}

/** Starts the built server in a process of its own, and waits until it is ready. */
export async function startServer({
  databaseUrl,
  engine,
  cli = BUILT,
  settings,
  profile,
}: ServerOptions): Promise<MeasuredServer> {
  if (!existsSync(cli)) throw new Error('the server is not built: npm run build')
  const port = await freePort()
  const flags = [...MEASURED_NODE_OPTIONS]
  if (profile !== undefined) {
    flags.push('--cpu-prof', `--cpu-prof-dir=${profile.dir}`, `--cpu-prof-name=${profile.name}.cpuprofile`)
  }
  const child = spawn(process.execPath, [...flags, cli, 'start'], {
    env: {
      PATH: process.env.PATH,
      HOST: '127.0.0.1',
      PORT: String(port),
      DATABASE_URL: databaseUrl,
      JWT_SECRET,
      ENGINE: engine,
      RATE_LIMITS: 'off',
      MAX_CONNECTIONS: NO_LIMIT,
      MAX_CONNECTIONS_PER_IP: NO_LIMIT,
      MAX_USERS_PER_CHANNEL: NO_LIMIT,
      // A storm of connections on a busy machine is slow to say hello.
      HELLO_TIMEOUT_MS: '60000',
      LOG_LEVEL: 'error',
      DRAIN_MS: '0',
      ...settings,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  track(child)
  await Promise.race([
    ready(port),
    once(child, 'exit').then(([code]) => {
      throw new Error(`the server ended at its start with ${code}`)
    }),
  ])
  return { pid: child.pid!, port, end: () => end(child) }
}

async function ready(port: number): Promise<void> {
  const deadline = Date.now() + START_MS
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
    if (response?.ok) return
    if (Date.now() > deadline) throw new Error(`the server is not ready after ${START_MS} ms`)
    await wait(POLL_MS)
  }
}
