import { Command, InvalidArgumentError } from 'commander'
import { mintToken, type TokenClaims } from '../access/mint-token.ts'
import { ClaimError } from '../access/read-claims.ts'
import type { SettingName } from '../config/settings.ts'
import { type Environment, type Overrides, readSettings } from '../config.ts'
import { duration } from './arguments.ts'
import { UsageError } from './failure.ts'
import { addSettings, overridesOf } from './setting-options.ts'
import type { Terminal } from './terminal.ts'

const OPTIONS = ['dataDir', 'jwtIssuer', 'jwtAudience', 'tenantId'] as const satisfies SettingName[]
const SETTINGS_USED = [...OPTIONS, 'jwtSecret', 'jwksUrl'] as const

const CLAIMS = ['workspaceId', 'shopId', 'modules', 'channels', 'tenantId'] as const
type ClaimName = (typeof CLAIMS)[number]
const DEFAULT_TTL_S = 3600
type GivenClaims = { [Name in ClaimName]?: unknown }

const EXAMPLES = `
It is signed with JWT_SECRET, or in development mode with the secret in DATA_DIR.

Examples:
  bitacora token --sub ana
  bitacora token --sub backend --role service --ttl 365d
  bitacora token --sub luis --role agent --claim workspaceId=w_1 --claim 'modules=["orders","chat"]'
  wscat -c ws://localhost:3000/ws -x "{\\"op\\":\\"hello\\",\\"token\\":\\"$(bitacora token --sub ana)\\"}" -w 60`

export function tokenCommand(terminal: Terminal): Command {
  const command = new Command('token')
    .description('Make a token and print it.')
    .requiredOption('--sub <user>', 'the user id')
    .option('--role <role>', 'service and admin may everything; agent; or one of your own')
    .option('--ttl <time>', 'how long it lives: seconds, or 90s, 15m, 12h, 30d (default: 1h)', duration)
    .option('--claim <name=value>', `${CLAIMS.join(', ')}; repeatable; lists as JSON`, collectClaim)
    .addHelpText('after', EXAMPLES)
    .action(async () => {
      const {
        sub,
        role,
        ttl = DEFAULT_TTL_S,
        claim,
      } = command.opts<{
        sub: string
        role?: string
        ttl?: number
        claim?: GivenClaims
      }>()
      const sign = await signer(terminal.env, overridesOf(command, OPTIONS))
      // `sign` checks every claim.
      terminal.out(await sign({ sub, role, ...claim } as TokenClaims, ttl))
    })
  return addSettings(command, OPTIONS)
}

function collectClaim(text: string, claims: GivenClaims = {}): GivenClaims {
  const at = text.indexOf('=')
  const name = CLAIMS.find((known) => known === text.slice(0, at))
  if (name === undefined)
    throw new InvalidArgumentError(`Allowed: NAME=VALUE with NAME one of ${CLAIMS.join(', ')}.`)
  const value = text.slice(at + 1)
  if (!/^[[{"]/.test(value)) return { ...claims, [name]: value }
  try {
    return { ...claims, [name]: JSON.parse(value) }
  } catch (error) {
    throw new InvalidArgumentError(`Its value begins like JSON and is none: ${(error as Error).message}.`)
  }
}

export type Sign = (claims: TokenClaims, ttlSeconds: number) => Promise<string>

/**
 * Signs tokens as the server with this configuration takes them.
 *
 * @param mustExist whether a data directory that is not there is a mistake rather than one to make
 * @throws {UsageError} where the configuration has no secret to sign with
 */
export async function signer(env: Environment, overrides: Overrides, mustExist = false): Promise<Sign> {
  const { dataDir, jwtSecret, jwksUrl, jwtIssuer, jwtAudience, tenantId } = readSettings(
    SETTINGS_USED,
    env,
    overrides,
  )
  if (jwksUrl !== undefined) {
    throw new UsageError('with JWKS_URL tokens are made by the issuer whose keys it publishes, not here')
  }
  const secret = jwtSecret ?? (await developmentSecret(dataDir, mustExist))
  return async (claims, ttlSeconds) => {
    const options = { ttlSeconds, issuer: jwtIssuer, audience: jwtAudience }
    try {
      return await mintToken(secret, { tenantId, ...claims }, options)
    } catch (error) {
      if (!(error instanceof ClaimError || error instanceof RangeError)) throw error
      throw new UsageError(`the server would refuse such a token: ${error.message}`, { cause: error })
    }
  }
}

async function developmentSecret(dataDir: string, mustExist: boolean): Promise<string> {
  const [{ devSecret }, { existsSync }] = await Promise.all([
    import('../access/dev-secret.ts'),
    import('node:fs'),
  ])
  if (mustExist && !existsSync(dataDir)) {
    throw new UsageError(
      `no token: there is no ${dataDir} with a development secret here; give --token, or --data-dir of the server, ` +
        'or set the JWT_SECRET of the server',
    )
  }
  return devSecret(dataDir)
}
