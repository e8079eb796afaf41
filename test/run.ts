/** npm test [-- files…]: all tests, or those of some files, against one PostgreSQL that lives as long as the run. */
import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { provideNeeds } from './needs.ts'
import { SERVER_VARIABLE, startTestServer } from './postgres-server.ts'
import { createTapReport } from './tap-report.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const tap = join(root, 'node_modules', '.bin', 'tap')
let interrupted: NodeJS.Signals | undefined
let interrupt = (_signal: NodeJS.Signals) => {}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    interrupted = signal
    interrupt(signal)
  })
}

const options = process.argv.slice(2).filter((argument) => argument.startsWith('-'))
const paths = process.argv.slice(2).filter((argument) => !argument.startsWith('-'))
const files = (paths.length === 0 ? [join(root, 'test')] : paths.map((path) => resolve(path))).flatMap(
  testFiles,
)
provideNeeds(files)
buildTap()
const server = await startTestServer()
const report = createTapReport((line) => console.log(line))
const status = interrupted === undefined && files.length > 0 ? await runTap(server.url) : 1
await server.stop()

const { passed, failed } = report.totals()
const broken = status !== 0 || interrupted !== undefined || passed + failed === 0
if (interrupted !== undefined) console.log(`interrupted by ${interrupted}`)
else if (broken && failed === 0) console.log(`tap ended with status ${status}`)
process.exitCode = broken || failed > 0 ? 1 : 0
console.log(`${passed} passed, ${broken ? Math.max(1, failed) : failed} failed`)

async function runTap(url: string): Promise<number> {
  const jobs = Math.min(4, Math.max(2, availableParallelism()))
  // A process group of its own, so that a signal to us ends all of it.
  const child = spawn(tap, ['run', '--reporter=tap', `--jobs=${jobs}`, ...options, ...files], {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, [SERVER_VARIABLE]: url },
  })
  const kill = (signal: NodeJS.Signals) => {
    try {
      process.kill(-child.pid!, signal)
    } catch {} // it has just ended
  }
  interrupt = (signal) => {
    kill(signal)
    setTimeout(kill, 10_000, 'SIGKILL').unref()
  }
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 1))
  })
  for await (const line of createInterface({ input: child.stdout })) report.line(line)
  return ended
}

/** tap makes its test class from the plugins of .taprc; on a first run it would do so only after it has loaded them. */
function buildTap(): void {
  const built = join(root, 'node_modules/@tapjs/test/test-built/dist/esm/index.js')
  try {
    if (!readFileSync(built, 'utf8').includes('@tapjs/typescript')) return
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const { status, stdout, stderr } = spawnSync(tap, ['build'], { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`tap build failed: ${stdout}${stderr}`)
}

function testFiles(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path]
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' }).sort()
  return names.filter((name) => name.endsWith('.test.ts')).map((name) => join(path, name))
}
