import type { Percentiles } from '../generator/latencies.ts'
import { newTag, PAYLOAD } from '../load.ts'
import { measureFlow, warmUp } from '../measure.ts'
import type { Scenario } from '../scenario.ts'
import { median, percentile } from '../statistics.ts'
import { connect } from '../system/postgres.ts'
import { number } from '../table.ts'
import { hello } from '../tokens.ts'
import { compare, takeTurns } from '../turns.ts'

const CHANNEL = 'room:lone'
const INSERT =
  'insert into bench.messages (channel, type, payload, sender, message_id) values ($1, $2, $3, $4, $5)'

/** One publish at a time: how long until it is durable and acknowledged, against a bare INSERT and commit. */
export const lonePublish: Scenario = {
  name: 'lone-publish',
  async run(bench) {
    const databaseUrl = await bench.database()
    const server = await bench.server(databaseUrl)
    const generator = bench.generator()
    await warmUp(generator, server, bench.options.warmUpSeconds)
    const hellos = [hello({ user: 'lone', channels: [CHANNEL] })]
    await generator.open({ group: 'lone', port: server.port, hellos, concurrency: 1 })
    const { seconds, rounds } = bench.options
    bench.progress(`${rounds} rounds of ${seconds} s`)
    const flow = { group: 'lone', window: 1, channels: [CHANNEL], payload: PAYLOAD }
    const { subject, control } = await takeTurns(
      rounds,
      () => measureFlow(generator, server, seconds, { ...flow, tag: newTag() }),
      () => bareInserts(databaseUrl, seconds),
    )
    const cpu = median(subject.map((measure) => measure.cpuMicros))
    const line = (name: string, pick: (latency: Percentiles) => number, target?: number) => {
      const {
        subject: ours,
        control: bare,
        ...rest
      } = compare(
        subject.map((measure) => pick(measure.latency)),
        control.map(pick),
      )
      return {
        what: `lone publish, to its ack: ${name}`,
        subject: `${number(ours)} ms`,
        control: `bare INSERT and commit ${number(bare)} ms`,
        ...rest,
        cpuMicros: cpu,
        ...(target !== undefined && { target: { bound: 'at most' as const, value: target } }),
      }
    }
    return [line('p50', (latency) => latency.p50Ms, 1.5), line('p99', (latency) => latency.p99Ms)]
  },
}

async function bareInserts(databaseUrl: string, seconds: number): Promise<Percentiles> {
  const client = await connect(databaseUrl)
  const tag = newTag()
  const tookMs: number[] = []
  const insert = (n: number) => client.query(INSERT, [CHANNEL, 'chat.text', PAYLOAD, 'lone', `${tag}-${n}`])
  for (let n = 0; n < 200; n++) await insert(n)
  const endMs = performance.now() + seconds * 1000
  for (let n = 200, startMs = performance.now(); startMs < endMs; n++) {
    await insert(n)
    const nowMs = performance.now()
    tookMs.push(nowMs - startMs)
    startMs = nowMs
  }
  await client.end()
  return { p50Ms: percentile(tookMs, 0.5), p99Ms: percentile(tookMs, 0.99), maxMs: percentile(tookMs, 1) }
}
