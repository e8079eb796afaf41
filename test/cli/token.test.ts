import t from 'tap'
import { createVerifier } from '../../src/access/verify-token.ts'
import { run } from '../../src/cli/run.ts'
import { testTerminal } from './terminal.ts'

const JWT_SECRET = 'the secret of the tests, 32 bytes or more'

async function minted(argv: readonly string[], env = {}) {
  const terminal = testTerminal(env)
  const code = await run(['token', ...argv], terminal)
  return { code, token: terminal.output.join('\n'), err: terminal.notes.join('\n') }
}

t.test('a token that a server with the same configuration takes', async (t) => {
  const env = { JWT_SECRET, JWT_ISSUER: 'app', JWT_AUDIENCE: 'bitacora', TENANT_ID: 't1' }
  const verify = createVerifier({ secret: JWT_SECRET, issuer: 'app', audience: 'bitacora', tenantId: 't1' })
  const argv = ['--sub', 'luis', '--role', 'agent', '--ttl', '15m', '--claim', 'workspaceId=7']
  const { code, token } = await minted([...argv, '--claim', 'modules=["orders"]'], env)
  t.equal(code, 0)
  const claims = await verify(token)
  t.match(claims, { sub: 'luis', role: 'agent', workspaceId: '7', modules: ['orders'], tenantId: 't1' })
  t.ok(Math.abs(claims.exp - Date.now() / 1000 - 900) < 10)
})

t.test('in development mode with the secret of the data directory, which is made once', async (t) => {
  const dataDir = t.testdir()
  const first = await minted(['--sub', 'ana', '--data-dir', dataDir])
  const { devSecret } = await import('../../src/access/dev-secret.ts')
  const verify = createVerifier({ secret: await devSecret(dataDir) })
  t.match(await verify(first.token), { sub: 'ana' })
  t.match(await verify((await minted(['--sub', 'bob', '--data-dir', dataDir])).token), { sub: 'bob' })
})

t.test('what the server would refuse is not made', async (t) => {
  for (const argv of [
    ['--sub', ''],
    ['--sub', 'x'.repeat(200)],
    ['--sub', 'ana', '--claim', 'modules=orders'],
    ['--sub', 'ana', '--claim', 'channels=["nowhere"]'],
  ]) {
    const { code, err } = await minted(argv, { JWT_SECRET })
    t.equal(code, 2)
    t.match(err, /the server would refuse such a token: the ".*" claim/)
  }
})

t.test('with a key set tokens are the issuer’s business', async (t) => {
  const { code, err } = await minted(['--sub', 'ana'], { JWKS_URL: 'https://id.example.com/jwks' })
  t.equal(code, 2)
  t.match(err, /JWKS_URL/)
})

t.test('a secret that is too short is refused with the remedy', async (t) => {
  const { code, err } = await minted(['--sub', 'ana'], { JWT_SECRET: 'hunter2' })
  t.equal(code, 2)
  t.match(err, /openssl rand -base64 48/)
  t.notMatch(err, /hunter2/)
})
