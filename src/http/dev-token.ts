import { ProtocolError } from '../../protocol/v1/errors.ts'
import { decodeJson } from '../../protocol/v1/json.ts'
import type { TokenClaims } from '../access/mint-token.ts'
import { ClaimError } from '../access/read-claims.ts'
import { isLoopback } from '../config/loopback.ts'
import { json } from './response.ts'
import type { HttpRequest, Route } from './route.ts'

export interface DevTokenDeps {
  /** The address that is listened on. */
  readonly host: string
  /** Throws a `ClaimError` for a claim that the server itself would refuse. */
  readonly mint: (claims: TokenClaims, ttlSeconds: number) => Promise<string>
}

const DEFAULT_TTL_S = 12 * 3600
const MAX_TTL_S = 30 * 24 * 3600

/**
 * `POST /v1/dev/token {"sub", "role"?, "workspaceId"?, "shopId"?, "modules"?, "channels"?, "tenantId"?, "ttl"?}`, in
 * development mode: a token for the asking; `ttl` in seconds. Whoever is not on this machine gets plain users only.
 */
export function devToken({ host, mint }: DevTokenDeps): Route {
  return {
    method: 'POST',
    path: '/v1/dev/token',
    async handle(request) {
      const { ttl = DEFAULT_TTL_S, ...claims } = readBody(request.body)
      if (typeof ttl !== 'number' || !(ttl > 0 && ttl <= MAX_TTL_S)) {
        throw wrong('ttl', `seconds, at most ${MAX_TTL_S}`)
      }
      const right = RIGHTS.find((name) => claims[name] !== undefined)
      if (right !== undefined && !isLocal(host, request)) {
        const message = `From elsewhere than this machine a development token cannot have "${right}".`
        throw new ProtocolError('FORBIDDEN', message, { path: `/${right}` })
      }
      const expiresAt = Date.now() + ttl * 1000
      const token = await minted(mint, claims, ttl)
      return json(200, { token, sub: claims.sub, expiresAt: Math.floor(expiresAt) })
    },
  }
}

/** Claims that give more than any authenticated user has. */
const RIGHTS = ['role', 'workspaceId', 'shopId', 'modules', 'channels', 'tenantId'] as const
type Body = { [Name in 'sub' | 'ttl' | (typeof RIGHTS)[number]]?: unknown }

function readBody(bytes: Uint8Array): Body {
  const body = decodeJson(bytes)
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw wrong('', 'an object with sub')
  const { sub, ttl, role, workspaceId, shopId, modules, channels, tenantId } = body as Body
  return { sub, ttl, role, workspaceId, shopId, modules, channels, tenantId }
}

const PROXY_HEADERS = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip']

/**
 * A peer on loopback may still speak for somebody else: a page that a browser here has open, under a name of its own
 * that leads to this machine too, or a proxy.
 */
function isLocal(host: string, { ip, headers }: HttpRequest): boolean {
  if (!isLoopback(host) || !isLoopback(ip)) return false
  if (PROXY_HEADERS.some((name) => headers.has(name))) return false
  const asked = `http://${headers.get('host') ?? ''}`
  if (!URL.canParse(asked) || !isLoopback(new URL(asked).hostname)) return false
  if (headers.get('sec-fetch-site') === 'cross-site') return false
  const origin = headers.get('origin')
  return origin === undefined || (URL.canParse(origin) && isLoopback(new URL(origin).hostname))
}

async function minted(mint: DevTokenDeps['mint'], claims: Body, ttlSeconds: number): Promise<string> {
  try {
    // `mint` checks every claim, so that what the body holds need not be checked twice.
    return await mint(claims as unknown as TokenClaims, ttlSeconds)
  } catch (error) {
    if (error instanceof ClaimError) {
      throw new ProtocolError('BAD_FRAME', `${error.message}.`, { path: `/${error.claim}` }, { cause: error })
    }
    if (error instanceof RangeError)
      throw new ProtocolError('TOO_LARGE', `${error.message}.`, undefined, { cause: error })
    throw error
  }
}

function wrong(name: string, expected: string): ProtocolError {
  const message = name === '' ? `The body must be ${expected}.` : `${name} must be ${expected}.`
  return new ProtocolError('BAD_FRAME', message, { path: name === '' ? '' : `/${name}`, expected })
}
