import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, SignJWT } from 'jose'

/** An issuer of tokens: keys, and a real HTTP endpoint that serves the public ones and counts who asks. */
export interface Issuer {
  readonly url: string
  /** Requests so far. */
  readonly requests: number
  /** How the endpoint answers from now on. */
  behave(how: 'well' | 'badly' | 'never' | { readonly status: number; readonly body: string }): void
  /** Waits that long before it answers. */
  delay(ms: number): void
  /** Makes a key pair and publishes its public half. */
  addKey(kid: string | undefined, alg: string, published?: Partial<JWK>): Promise<PrivateKey>
  removeKey(kid: string): void
  /** Publishes this beside the keys, as it is. */
  addJwk(jwk: JWK): void
  close(): Promise<void>
}

export interface PrivateKey {
  readonly publicJwk: JWK
  readonly privateJwk: JWK
  sign(claims: object, header?: Partial<JWTHeaderParameters>): Promise<string>
}

export async function startIssuer(): Promise<Issuer> {
  let keys: JWK[] = []
  let requests = 0
  let behaviour: Parameters<Issuer['behave']>[0] = 'well'
  let delayMs = 0
  const server = createServer((_, response) => {
    requests++
    const answer = () => {
      if (behaviour === 'never') return
      if (behaviour === 'badly') response.writeHead(500).end('no')
      else if (behaviour === 'well') response.end(JSON.stringify({ keys }))
      else response.writeHead(behaviour.status, { location: '/elsewhere' }).end(behaviour.body)
    }
    setTimeout(answer, delayMs)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/jwks.json`,
    get requests() {
      return requests
    },
    behave(how) {
      behaviour = how
    },
    delay(ms) {
      delayMs = ms
    },
    async addKey(kid, alg, published = {}) {
      const key = await makeKey(kid, alg)
      keys.push({ ...key.publicJwk, ...published })
      return key
    },
    addJwk: (jwk) => void keys.push(jwk),
    removeKey(kid) {
      keys = keys.filter((jwk) => jwk.kid !== kid)
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** A key pair that nobody has published. */
export async function makeKey(kid: string | undefined, alg: string): Promise<PrivateKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const named = kid === undefined ? {} : { kid }
  return {
    publicJwk: { ...(await exportJWK(publicKey)), ...named },
    privateJwk: { ...(await exportJWK(privateKey)), ...named },
    sign: (claims, header = {}) =>
      new SignJWT({ ...claims }).setProtectedHeader({ alg, ...named, ...header }).sign(privateKey),
  }
}
