import { readFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import type { SettingName } from '../config/settings.ts'
import { readSettings } from '../config.ts'
import { type Endpoint, localEndpoint, parseEndpoint } from './endpoint.ts'
import { UsageError } from './failure.ts'
import { addSettings, overridesOf } from './setting-options.ts'
import type { Terminal } from './terminal.ts'
import { signer } from './token.ts'

const SETTINGS_USED = ['port', 'host', 'dataDir'] as const satisfies SettingName[]

/** Which server to talk to, and as whom. */
export interface Credentials {
  readonly endpoint: Endpoint
  /** A token for now. */
  readonly token: () => Promise<string>
  /** Whether a later call gives a newer one. */
  readonly renewable: boolean
}

const MINTED_TTL_S = 3600
const USER = 'bitacora-cli'

/** The options that commands have which talk to a server. */
export function addCredentials(command: Command): Command {
  command
    .addOption(
      new Option('--url <url>', 'the server (default: the one on this machine)').argParser(parseEndpoint),
    )
    .addOption(new Option('--token <token>', 'a token, or @FILE to read it from a file'))
    .addOption(
      new Option('--as <user>', 'be this user, with a token made here; otherwise a service').conflicts(
        'token',
      ),
    )
  return addSettings(command, SETTINGS_USED)
}

/** @throws {UsageError} where there is no token and none can be made */
export async function credentialsOf(command: Command, { env }: Pick<Terminal, 'env'>): Promise<Credentials> {
  const given = command.opts<{ url?: Endpoint; token?: string; as?: string }>()
  const overrides = overridesOf(command, SETTINGS_USED)
  const endpoint = given.url ?? localEndpoint(readSettings(['host', 'port'], env, overrides))
  if (given.token !== undefined) {
    const { token } = given
    if (!token.startsWith('@')) return { endpoint, renewable: false, token: async () => token }
    const path = token.slice(1)
    return { endpoint, renewable: true, token: async () => (await readFile(path, 'utf8')).trim() }
  }
  if (!endpoint.local) {
    // A token of ours would give a stranger who is in the way all rights on the server here.
    throw new UsageError(`--token is needed: ${endpoint.http} is not on this machine`)
  }
  const { dataDir } = overrides
  const sign = await signer(env, dataDir === undefined ? {} : { dataDir }, true)
  const claims = given.as === undefined ? { sub: USER, role: 'service' } : { sub: given.as }
  return { endpoint, renewable: true, token: () => sign(claims, MINTED_TTL_S) }
}
