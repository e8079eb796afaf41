import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbedded } from '../src/db/embedded.ts'
import type { Log } from '../src/db/log.ts'

/** Set by test/run.ts: the server that all test files of a run share. */
export const SERVER_VARIABLE = 'BITACORA_TEST_SERVER'

export const silent: Log = { info() {}, warn() {}, error() {} }

/** A server for tests: it need not survive a power cut. Even if this process is killed, nothing stays behind. */
export async function startTestServer(): Promise<{ url: string; stop(): Promise<void> }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'bitacora-test-'))
  chmodSync(dataDir, 0o711) // if we are root, the user that runs Postgres has to get in
  const server = await startEmbedded({
    dataDir,
    log: silent,
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '200' },
  })
  const guard = cleanUpAfterUs(dataDir)
  return {
    url: server.url,
    async stop() {
      await server.stop()
      guard()
    },
  }
}

/** A shell that waits for the end of this process, however it comes, and then clears the directory away. */
function cleanUpAfterUs(dataDir: string): () => void {
  const script = `
    while read -r line; do :; done
    kill -INT "$(head -n 1 "$0/postgres/postmaster.pid" 2>/dev/null)" 2>/dev/null && sleep 1
    rm -rf "$0"`
  const child = spawn('/bin/sh', ['-c', script, dataDir], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  child.unref()
  const stdin = child.stdin as Socket
  stdin.unref()
  return () => {
    rmSync(dataDir, { recursive: true, force: true })
    stdin.end()
  }
}
