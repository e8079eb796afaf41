import { createHmac, randomBytes } from 'node:crypto'

/** The secret of this run, which the server under test gets as JWT_SECRET. */
export const JWT_SECRET = randomBytes(48).toString('base64')

const LIFE_SECONDS = 6 * 3600
const HEADER = base64url({ alg: 'HS256', typ: 'JWT' })

/** A token of an ordinary user, or of a `role`. */
export function token(user: string, role?: string): string {
  const nowSeconds = Math.floor(Date.now() / 1000)
  const claims = base64url({
    sub: user,
    ...(role && { role }),
    iat: nowSeconds,
    exp: nowSeconds + LIFE_SECONDS,
  })
  const signature = createHmac('sha256', JWT_SECRET).update(`${HEADER}.${claims}`).digest('base64url')
  return `${HEADER}.${claims}.${signature}`
}

export interface HelloOptions {
  readonly user: string
  readonly channels?: readonly string[]
  readonly lastEventId?: number
  readonly epoch?: string
}

/** The text of a `hello` frame. */
export function hello({ user, ...rest }: HelloOptions): string {
  return JSON.stringify({ op: 'hello', id: 1, token: token(user), ...rest })
}

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
