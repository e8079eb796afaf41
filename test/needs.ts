import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Programs that a test file may ask for with a line `// needs: name`, and the Debian packages that bring them. */
const NEEDS: Readonly<Record<string, string>> = {
  psql: 'postgresql-client',
}

/** Installs what the files ask for and the machine lacks, if we may; otherwise says what to type. */
export function provideNeeds(files: readonly string[]): void {
  const wanted = files.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/^\/\/ needs: (\w+)$/gm)].map((m) => m[1]!),
  )
  const lacking = [...new Set(wanted)].filter((program) => !hasProgram(program))
  if (lacking.length === 0) return
  const packages = lacking.map((program) => NEEDS[program] ?? program)
  const install = `apt-get install --yes --no-install-recommends ${packages.join(' ')}`
  if (process.getuid?.() === 0 && hasProgram('apt-get')) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    spawnSync('/bin/sh', ['-c', `apt-get update -qq; ${install} -qq`], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env,
    })
  }
  for (const program of lacking.filter((program) => !hasProgram(program))) {
    console.log(`some tests are skipped because ${program} is missing; to have it, type: sudo ${install}`)
  }
}

export function hasProgram(name: string): boolean {
  return spawnSync('/bin/sh', ['-c', 'command -v "$0"', name]).status === 0
}
