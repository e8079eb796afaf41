import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { Distribution } from '../../src/ops/distribution.ts'
import { createMetrics } from '../../src/ops/metrics.ts'

t.test('a distribution counts a value at its bound, cumulatively', async (t) => {
  const seconds = new Distribution([1, 2])
  seconds.observe(1)
  seconds.observe(1.5, 3)
  seconds.observe(9)
  t.strictSame(seconds.buckets(), [
    { le: '1', count: 1 },
    { le: '2', count: 4 },
    { le: '+Inf', count: 5 },
  ])
  t.equal(seconds.count, 5)
  t.equal(seconds.sum, 14.5)
})

t.test('two servers in one process count for themselves', async (t) => {
  const [one, other] = [createMetrics(), createMetrics()]
  t.teardown(() => {
    one.close()
    other.close()
  })
  one.eventsAppended += 3
  t.match(await one.text(), /^bitacora_events_appended_total 3$/m)
  t.match(await other.text(), /^bitacora_events_appended_total 0$/m)
})

t.test('a scrape shows counts, tallies, distributions and gauges as they are at that moment', async (t) => {
  const metrics = createMetrics()
  t.teardown(metrics.close)
  let windowEvents = 1
  metrics.watch({ windowEvents: () => windowEvents })
  metrics.watch({ connections: () => ({ engine: 'ws', json: 2, msgpack: 1 }) })
  metrics.errors.add('FORBIDDEN')
  metrics.closes.add('4508')
  metrics.resumes.add('resumed', 2)
  metrics.publishSeconds.observe(0.004)
  await metrics.text()
  windowEvents = 7
  metrics.errors.add('FORBIDDEN')
  const text = await metrics.text()
  for (const line of [
    'bitacora_window_events 7',
    'bitacora_connections{engine="ws",encoding="json"} 2',
    'bitacora_connections{engine="ws",encoding="msgpack"} 1',
    'bitacora_errors_total{code="FORBIDDEN"} 2',
    'bitacora_closes_total{code="4508"} 1',
    'bitacora_resumes_total{outcome="resumed"} 2',
    'bitacora_publish_seconds_bucket{le="0.003"} 0',
    'bitacora_publish_seconds_bucket{le="0.005"} 1',
    'bitacora_publish_seconds_bucket{le="+Inf"} 1',
    'bitacora_publish_seconds_count 1',
  ]) {
    t.ok(text.split('\n').includes(line), line)
  }
  t.match(metrics.contentType, /^text\/plain; version=0\.0\.4/)
})

t.test('the process is measured: CPU, memory, the lag of the event loop', async (t) => {
  const metrics = createMetrics()
  t.teardown(metrics.close)
  await delay(60)
  const until = Date.now() + 100
  while (Date.now() < until) {
    // hold the event loop
  }
  await delay(50)
  const text = await metrics.text()
  t.match(text, /^process_cpu_seconds_total \d+\.\d+/m)
  t.match(text, /^process_resident_memory_bytes \d{7,}/m)
  const lag = /^nodejs_eventloop_lag_seconds\{quantile="1"\} (\S+)/m.exec(text)
  t.ok(Number(lag?.[1]) > 0.05, `a stall of 100 ms is seen: ${lag?.[1]}`)
})
