import { readdir } from 'node:fs/promises'
import {
  constants,
  monitorEventLoopDelay,
  type PerformanceEntry,
  PerformanceObserver,
  performance,
} from 'node:perf_hooks'
import { Counter, Gauge, type Registry } from 'prom-client'

/** Native timer ticks per measurement of the event loop's lag: 50 a second, which no CPU profile shows. */
const LAG_RESOLUTION_MS = 20

/**
 * The usual metrics of a Node process, under their usual names.
 *
 * prom-client's `collectDefaultMetrics` does the same, but its observers cannot be ended, so that every server that
 * was ever started in a process would go on being told of each garbage collection.
 *
 * @returns ends the observers
 */
export function watchProcess(registry: Registry): () => void {
  const lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS })
  lag.enable()
  const collections = { count: 0, seconds: 0, majorSeconds: 0 }
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { duration, detail } = entry as PerformanceEntry & { detail?: { kind?: number } }
      collections.count++
      collections.seconds += duration / 1000
      if (detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR) collections.majorSeconds += duration / 1000
    }
  })
  observer.observe({ entryTypes: ['gc'] })

  counter('process_cpu_user_seconds_total', 'CPU time in user mode.', () => process.cpuUsage().user / 1e6)
  counter(
    'process_cpu_system_seconds_total',
    'CPU time in the kernel.',
    () => process.cpuUsage().system / 1e6,
  )
  counter('process_cpu_seconds_total', 'CPU time.', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  counter('bitacora_gc_total', 'Garbage collections.', () => collections.count)
  counter('bitacora_gc_seconds_total', 'Time in garbage collections.', () => collections.seconds)
  counter('bitacora_gc_major_seconds_total', 'Time in major collections.', () => collections.majorSeconds)

  const startedAt = Math.round(performance.timeOrigin / 1000)
  gauge('process_start_time_seconds', 'Start of the process since the Unix epoch.', () => startedAt)
  gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss())
  gauge('nodejs_heap_size_used_bytes', 'JavaScript heap in use.', () => process.memoryUsage().heapUsed)
  gauge('nodejs_heap_size_total_bytes', 'JavaScript heap.', () => process.memoryUsage().heapTotal)
  gauge(
    'nodejs_external_memory_bytes',
    'Memory of objects outside the heap.',
    () => process.memoryUsage().external,
  )
  gauge('process_open_fds', 'Open file descriptors.', openFiles)
  const eventLoop = performance.eventLoopUtilization()
  gauge(
    'nodejs_eventloop_utilization',
    'Share of time the event loop was busy since the last scrape.',
    () => {
      const now = performance.eventLoopUtilization()
      const { utilization } = performance.eventLoopUtilization(now, eventLoop)
      Object.assign(eventLoop, now)
      return utilization
    },
  )
  registerLag()

  return () => {
    lag.disable()
    observer.disconnect()
  }

  function counter(name: string, help: string, read: () => number) {
    const metric: Counter = new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        metric.reset()
        metric.inc(read())
      },
    })
  }

  function gauge(name: string, help: string, read: () => number | Promise<number>) {
    const metric: Gauge = new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        metric.set(await read())
      },
    })
  }

  function registerLag() {
    const metric: Gauge = new Gauge({
      name: 'nodejs_eventloop_lag_seconds',
      help: 'Delay of the event loop since the last scrape.',
      labelNames: ['quantile'],
      registers: [registry],
      collect() {
        for (const quantile of [0.5, 0.9, 0.99]) {
          // What is measured is the time between two ticks, so the resolution is part of it.
          const late = lag.count === 0 ? 0 : lag.percentile(quantile * 100) / 1e9 - LAG_RESOLUTION_MS / 1000
          metric.set({ quantile: String(quantile) }, Math.max(0, late))
        }
        metric.set(
          { quantile: '1' },
          lag.count === 0 ? 0 : Math.max(0, lag.max / 1e9 - LAG_RESOLUTION_MS / 1000),
        )
        lag.reset()
      },
    })
  }
}

/** `NaN`, which Prometheus shows as such, where the system has no `/proc`. */
async function openFiles(): Promise<number> {
  try {
    return (await readdir('/proc/self/fd')).length
  } catch {
    return Number.NaN
  }
}
