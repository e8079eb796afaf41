import { setTimeout as wait } from 'node:timers/promises'
import type { FlowRequest } from './generator/commands.ts'
import type { Percentiles } from './generator/latencies.ts'
import type { Generator } from './generator/start.ts'
import { newTag, PAYLOAD } from './load.ts'
import type { MeasuredServer } from './system/measured-server.ts'
import { cpuMicros } from './system/process-cost.ts'
import { hello } from './tokens.ts'

const WARM_UP_MS = 1000
/** How long acks under way may take once nothing more is published. */
const DRAIN_MS = 300

export interface FlowMeasure {
  readonly acksPerSecond: number
  readonly deliveriesPerSecond: number
  /** CPU of the server for each acknowledged publish. */
  readonly cpuMicros: number
  readonly latency: Percentiles
}

/** Lets a flow of publishes run, and measures it once it runs evenly. */
export async function measureFlow(
  generator: Generator['ask'],
  server: MeasuredServer,
  seconds: number,
  flow: FlowRequest,
): Promise<FlowMeasure> {
  await generator.startFlow(flow)
  await wait(WARM_UP_MS)
  const before = await generator.flowCounts()
  const cpuBefore = cpuMicros(server.pid)
  await wait(seconds * 1000)
  const after = await generator.flowCounts()
  const cpuAfter = cpuMicros(server.pid)
  await generator.stopFlow()
  await wait(DRAIN_MS)
  if (after.errors > 0) throw new Error(`the server refused ${after.errors} publishes`)
  const acks = after.acks - before.acks
  const elapsedSeconds = (after.atMs - before.atMs) / 1000
  return {
    acksPerSecond: acks / elapsedSeconds,
    deliveriesPerSecond: (after.events - before.events) / elapsedSeconds,
    cpuMicros: (cpuAfter - cpuBefore) / acks,
    latency: after.latency,
  }
}

const WARM_UP_SOCKETS = 8
const WARM_UP_WINDOW = 32

/**
 * Publishes for some seconds, until V8 has compiled what is used often. At the low rates of some scenarios that would
 * take minutes, and a quarter of the CPU that is measured would be the compiler's.
 */
export async function warmUp(
  generator: Generator['ask'],
  { port }: MeasuredServer,
  seconds: number,
): Promise<void> {
  const channels = ['room:warm-up']
  const hellos = Array.from({ length: WARM_UP_SOCKETS }, (_, n) => hello({ user: `early-${n}`, channels }))
  await generator.open({ group: 'early', port, hellos, concurrency: WARM_UP_SOCKETS })
  const flow = { group: 'early', window: WARM_UP_WINDOW, channels, payload: PAYLOAD, tag: newTag() }
  await generator.startFlow(flow)
  await wait(seconds * 1000)
  await generator.stopFlow()
  await wait(DRAIN_MS)
  await generator.close({ group: 'early' })
}
