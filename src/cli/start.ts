import { networkInterfaces } from 'node:os'
import { Command } from 'commander'
import { SETTING_NAMES } from '../config/settings.ts'
import { type Config, readConfig, warningsOf } from '../config.ts'
import { createLogger, type Logger } from '../ops/logger.ts'
import { VERSION } from '../ops/version.ts'
import { type Endpoint, isAnyAddress, localEndpoint } from './endpoint.ts'
import { addSettings, overridesOf } from './setting-options.ts'
import { aborted, type Terminal } from './terminal.ts'

/** What `src/server.ts` gives back. */
export interface RunningServer {
  /** Of the WebSocket endpoint. */
  readonly url: string
  /** The command that opens its database, where that is the embedded one. */
  readonly psql: string | undefined
  readonly dev: boolean
  close(): Promise<void>
}

export type StartServer = (config: Config, options: { readonly log: Logger }) => Promise<RunningServer>

const EXAMPLES = `
Every option is also an environment variable, which the option overrides.

Examples:
  bitacora start                                    development: PostgreSQL in .bitacora/, tokens for the asking
  bitacora start --host 0.0.0.0                     the same, open to the local network
  JWT_SECRET=… DATABASE_URL=postgres://… bitacora start --port 8080
  bitacora start --engine ws --rate-limits off`

export function startCommand(terminal: Terminal, load: () => Promise<StartServer> = loadServer): Command {
  const command = new Command('start')
    .description('Start the server; SIGTERM or Ctrl-C ends it in order.')
    .addHelpText('after', EXAMPLES)
    .action(async () => {
      const config = readConfig(terminal.env, overridesOf(command, SETTING_NAMES))
      const stop = terminal.stopSignal()
      const log = createLogger(config.logLevel)
      for (const warning of warningsOf(config)) log.warn(warning)
      const startServer = await load()
      const server = await startServer(config, { log })
      // A signal that came during the start: what has been started is ended in order.
      if (!stop.aborted) terminal.out(banner(server, config))
      await aborted(stop)
      log.info('stopping')
      await server.close()
      log.info('stopped')
    })
  return addSettings(command, SETTING_NAMES)
}

/** Here and not at the top, so that the other commands do not wait for engines and drivers to load. */
async function loadServer(): Promise<StartServer> {
  const { startServer } = await import('../server.ts')
  return startServer
}

function banner({ url, psql, dev }: RunningServer, config: Config): string {
  const here = localEndpoint({ host: config.host, port: Number(new URL(url).port) })
  const elsewhere = isAnyAddress(config.host) ? networkUrls(url) : []
  const lines = [
    `Bitácora ${VERSION}`,
    '',
    `  WebSocket  ${[here.webSocket, ...elsewhere].join('\n             ')}`,
    `  Token      ${tokenHint(here, config)}`,
    `  Database   ${psql ?? psqlCommand(config.databaseUrl!)}`,
  ]
  return [...lines, ...(dev ? ['', ...notice(new URL(url).host)] : []), ''].join('\n')
}

function tokenHint({ http }: Endpoint, { dev, jwksUrl }: Config): string {
  if (dev) return `curl -s ${http}/v1/dev/token -d '{"sub":"ana"}'`
  if (jwksUrl !== undefined) return `from the issuer whose keys are at ${jwksUrl}`
  return 'bitacora token --sub ana   (with the same JWT_SECRET)'
}

/** Without the password, which psql asks for. */
function psqlCommand(databaseUrl: string): string {
  const url = new URL(databaseUrl)
  url.password = ''
  return `psql '${url.href.replaceAll("'", '%27')}'`
}

function networkUrls(url: string): string[] {
  const { port, pathname } = new URL(url)
  const addresses = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return addresses
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => `ws://${address}:${port}${pathname}`)
}

function notice(host: string): string[] {
  const lines = [
    'DEVELOPMENT MODE',
    `Whoever reaches ${host} gets a token for any user.`,
    'Set JWT_SECRET or JWKS_URL for anything but development.',
  ]
  const width = Math.max(...lines.map((line) => line.length))
  const rule = '*'.repeat(width + 6)
  return [rule, ...lines.map((line) => `*  ${line.padEnd(width)}  *`), rule]
}
