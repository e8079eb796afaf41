import { setTimeout as wait } from 'node:timers/promises'
import { FAN_CHANNEL } from '../controls/frames.ts'
import type { Generator } from '../generator/start.ts'
import { newTag, PAYLOAD } from '../load.ts'
import { warmUp } from '../measure.ts'
import type { Line, Scenario } from '../scenario.ts'
import { median } from '../statistics.ts'
import { collectGarbage, type MeasuredServer } from '../system/measured-server.ts'
import { cpuMicros } from '../system/process-cost.ts'
import { number } from '../table.ts'
import { hello } from '../tokens.ts'
import { compare } from '../turns.ts'
import type { Workbench } from '../workbench.ts'

const MANY = 1000

/** What one event costs the server, in CPU microseconds, to one subscriber and to many. */
interface Cost {
  readonly toOne: number
  /** (cost at 1,000 − cost at 1) / 999 */
  readonly each: number
}

/** One event at a time, and ten at a time, to a channel of 1,000, against the engines alone. */
export const fanOut: Scenario = {
  name: 'fan-out',
  async run(bench) {
    const generator = bench.generator()
    const server = await bench.server(await bench.database())
    const { warmUpSeconds } = bench.options
    await warmUp(generator, server, warmUpSeconds)
    const { eventBytes } = await deliver(bench, generator, server, { subscribers: 1, events: 10 })
    const settings = { EVENT_BYTES: String(Math.round(eventBytes)) }
    const uws = await bench.control('uws', settings)
    const ws = await bench.control('ws', settings)
    await warmUp(generator, uws, warmUpSeconds)
    await warmUp(generator, ws, warmUpSeconds)
    const lines: Line[] = []
    for (const events of [1, 10]) {
      const ours: Cost[] = []
      const rawUws: Cost[] = []
      const rawWs: Cost[] = []
      for (let round = 0; round < bench.options.rounds; round++) {
        bench.progress(`${events === 1 ? 'single events' : 'tens'}, round ${round + 1}`)
        ours.push(await cost(bench, generator, server, events))
        rawUws.push(await cost(bench, generator, uws, events))
        rawWs.push(await cost(bench, generator, ws, events))
      }
      lines.push(...compared(events, ours, rawUws, rawWs))
    }
    return lines
  },
}

function compared(events: number, ours: Cost[], uws: Cost[], ws: Cost[]): Line[] {
  const how = events === 1 ? 'singly' : 'in tens'
  const each = (cost: Cost) => cost.each
  const toOne = (cost: Cost) => cost.toOne
  const toUws = compare(ours.map(each), uws.map(each))
  const toWs = compare(ours.map(each), ws.map(each))
  const event = compare(ours.map(toOne), uws.map(toOne))
  const micros = { cpuMicros: median(ours.map(each)), controlCpuMicros: median(uws.map(each)) }
  return [
    {
      what: `fan-out ${how}: each further subscriber of ${MANY}`,
      subject: `${number(toUws.subject)} µs`,
      control: `raw uWebSockets.js ${number(toUws.control)} µs`,
      ratio: toUws.ratio,
      spread: toUws.spread,
      target: { bound: 'at most', value: 1.2 },
      ...micros,
    },
    {
      what: `fan-out ${how}: each further subscriber of ${MANY}`,
      subject: `${number(toWs.subject)} µs`,
      control: `raw ws ${number(toWs.control)} µs`,
      ratio: toWs.ratio,
      spread: toWs.spread,
      cpuMicros: micros.cpuMicros,
      controlCpuMicros: median(ws.map(each)),
    },
    {
      what: `fan-out ${how}: the event itself, stored and sent to one`,
      subject: `${number(event.subject)} µs`,
      control: `raw uWebSockets.js, not stored ${number(event.control)} µs`,
      ratio: event.ratio,
      spread: event.spread,
      cpuMicros: event.subject,
      controlCpuMicros: event.control,
    },
  ]
}

async function cost(
  bench: Workbench,
  generator: Generator['ask'],
  server: MeasuredServer,
  events: number,
): Promise<Cost> {
  const one = await deliver(bench, generator, server, { subscribers: 1, events })
  const many = await deliver(bench, generator, server, { subscribers: MANY, events })
  return { toOne: one.micros, each: (many.micros - one.micros) / (MANY - 1) }
}

async function deliver(
  bench: Workbench,
  generator: Generator['ask'],
  server: MeasuredServer,
  { subscribers, events }: { subscribers: number; events: number },
): Promise<{ micros: number; eventBytes: number }> {
  const { port } = server
  const hellos = Array.from({ length: subscribers }, (_, n) =>
    hello({ user: `reader-${n}`, channels: [FAN_CHANNEL] }),
  )
  await generator.open({ group: 'readers', port, hellos, concurrency: 100 })
  await generator.open({ group: 'writer', port, hellos: [hello({ user: 'writer' })], concurrency: 1 })
  const burst = {
    publishers: 'writer',
    subscribers: 'readers',
    channel: FAN_CHANNEL,
    payload: PAYLOAD,
    events,
  }
  await generator.burst({ ...burst, tag: newTag(), seconds: 0.5 })
  await collectGarbage(server)
  const before = cpuMicros(server.pid)
  const { bursts, eventBytes } = await generator.burst({
    ...burst,
    tag: newTag(),
    seconds: bench.options.seconds,
  })
  const micros = (cpuMicros(server.pid) - before) / (bursts * events)
  await generator.close({ group: 'readers' })
  await generator.close({ group: 'writer' })
  await wait(200) // the server takes leave of them
  return { micros, eventBytes }
}
