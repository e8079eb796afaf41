import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Each row may import from the rows above it, from its own folder, and from what stands before it in its own row. */
const LAYERS = [
  ['protocol', 'config', 'ops'],
  ['transport', 'catalogue', 'access', 'db'],
  ['log', 'cluster'],
  ['fanout'],
  ['conversations'],
  ['commands'],
  ['session', 'http'],
  ['server'],
  ['cli'],
].flat()

/** Who may read the environment. */
const READS_ENVIRONMENT = [
  'src/config.ts',
  /^src\/cli(\/|\.ts$)/,
  'src/transport/uws.ts', // sets what the native library reads when it is loaded
]

interface Module {
  /** Relative to the root, with slashes. */
  readonly path: string
  readonly text: string
  readonly imports: readonly string[]
}

function modules(): Module[] {
  return ['protocol', 'src']
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
        join(folder, name),
      ),
    )
    .filter((path) => /\.tsx?$/.test(path))
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8')
      // import … from '…', export … from '…', import '…', import('…')
      const specifiers = [
        ...text.matchAll(
          /^(?:(?:import|export|\})[^'"\n]* from|import) '(\.[^']+)'|\bimport\('(\.[^']+)'\)/gm,
        ),
      ]
      const imports = specifiers.map((match) =>
        relative(root, join(root, dirname(path), (match[1] ?? match[2])!)),
      )
      return {
        path: path.split(sep).join('/'),
        text,
        imports: imports.map((name) => name.split(sep).join('/')),
      }
    })
}

const all = modules()

/** protocol, or the folder or file below src: `log`, `server`. The entry file stands above all. */
function partOf(path: string): string {
  const [first, second] = path.split('/')
  return first === 'src' ? second!.replace(/\.tsx?$/, '') : first!
}

t.test('every import names a file that is there', async (t) => {
  t.ok(all.length > 0)
  for (const { path, imports } of all) {
    for (const imported of imports) t.ok(existsSync(join(root, imported)), `${path} imports ${imported}`)
  }
})

t.test('imports run one way', async (t) => {
  for (const { path, imports } of all) {
    const part = partOf(path)
    for (const imported of imports) {
      const of = partOf(imported)
      if (part === of) continue
      const message = `${path} imports ${imported}`
      if (part === 'index') t.pass(message)
      else if (part === 'client') t.equal(of, 'protocol', message)
      else if (part === 'web') t.equal(of, 'client', message)
      else {
        t.ok(LAYERS.includes(part), `${part} has a place in the layers`)
        t.ok(LAYERS.indexOf(of) !== -1 && LAYERS.indexOf(of) < LAYERS.indexOf(part), message)
      }
    }
  }
})

t.test('no module imports itself by way of others', async (t) => {
  const imports = new Map(all.map((module) => [module.path, module.imports]))
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (path: string, way: readonly string[]) => {
    if (way.includes(path)) cycles.push([...way.slice(way.indexOf(path)), path].join(' > '))
    if (done.has(path) || way.includes(path)) return
    for (const next of imports.get(path) ?? []) visit(next, [...way, path])
    done.add(path)
  }
  for (const path of imports.keys()) visit(path, [])
  t.strictSame(cycles, [])
})

t.test('the environment is read in one place', async (t) => {
  for (const { path, text } of all) {
    if (
      READS_ENVIRONMENT.some((allowed) =>
        typeof allowed === 'string' ? allowed === path : allowed.test(path),
      )
    )
      continue
    t.notMatch(text, /process\.env|process\[|\benv\b.*from 'node:process'/, path)
  }
})
