import { PAYLOAD } from '../load.ts'
import type { Line, Scenario } from '../scenario.ts'
import { median } from '../statistics.ts'
import type { MeasuredServer } from '../system/measured-server.ts'
import { cpuMicros } from '../system/process-cost.ts'
import { number } from '../table.ts'
import { token } from '../tokens.ts'
import { compare, takeTurns } from '../turns.ts'
import type { HttpLoadCommands } from '../workers/http-load.ts'
import { startWorker } from '../workers/start.ts'

/** Events in a request, and connections. */
const LOADS = [
  { events: 1, connections: 64 },
  { events: 100, connections: 8 },
]
const EVENT = { channel: 'room:http', type: 'chat.text', payload: JSON.parse(PAYLOAD) as unknown }

/** autocannon on POST /v1/publish, against a plain Node server that does one INSERT per event. */
export const httpPublish: Scenario = {
  name: 'http-publish',
  async run(bench) {
    const databaseUrl = await bench.database()
    const server = await bench.server(databaseUrl)
    const control = await bench.control('common', { DATABASE_URL: databaseUrl })
    const { ask } = bench.keep(startWorker<HttpLoadCommands>('./http-load.ts'))
    const bearer = token('backend', 'service')
    // autocannon counts whole seconds.
    const seconds = Math.ceil(bench.options.seconds)

    const turn = async ({ pid, port }: MeasuredServer, { events, connections }: (typeof LOADS)[number]) => {
      const body = JSON.stringify(events === 1 ? EVENT : new Array(events).fill(EVENT))
      const load = {
        url: `http://127.0.0.1:${port}/v1/publish`,
        token: bearer,
        body,
        connections,
      }
      await ask.post({ ...load, seconds: 1 })
      const before = cpuMicros(pid)
      const result = await ask.post({ ...load, seconds })
      const used = cpuMicros(pid) - before
      return { rate: result.requestsPerSecond * events, cpuMicros: used / (result.requests * events) }
    }

    const lines: Line[] = []
    for (const shape of LOADS) {
      const { events, connections } = shape
      bench.progress(`${events} in a request`)
      const { subject: ours, control: theirs } = await takeTurns(
        bench.options.rounds,
        () => turn(server, shape),
        () => turn(control, shape),
      )
      const {
        subject,
        control: common,
        ...rest
      } = compare(
        ours.map(({ rate }) => rate),
        theirs.map(({ rate }) => rate),
      )
      lines.push({
        what: `POST /v1/publish, ${connections} connections, ${events === 1 ? 'one event' : `${events} events`} each`,
        subject: `${number(subject)} events/s`,
        control: `node:http + INSERT each ${number(common)}`,
        ...rest,
        cpuMicros: median(ours.map((one) => one.cpuMicros)),
        controlCpuMicros: median(theirs.map((one) => one.cpuMicros)),
      })
    }
    return lines
  },
}
