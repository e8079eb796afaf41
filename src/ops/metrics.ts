import { Counter, Gauge, type Metric, Registry } from 'prom-client'
import { Distribution, Tally } from './distribution.ts'
import { watchProcess } from './process-metrics.ts'

export type { Distribution, Tally } from './distribution.ts'

/** Counted on the hot path by `metrics.framesIn++`, read when Prometheus asks. */
interface Counts {
  framesIn: number
  framesOut: number
  /** Events this node has written to the log. */
  eventsAppended: number
  /** Publishes answered with an earlier ack, because their `messageId` was in the log already. */
  duplicates: number
  /** Events handed to the sockets of a channel; one per event, not per socket. */
  eventsFannedOut: number
  signals: number
  rateLimited: number
  /** Connections ended because they left more unread than the send buffer holds (4508). */
  sendBufferCloses: number
}

/** What is asked for at the moment of a scrape; the server says where to look with `watch`. */
export interface Gauges {
  /** By encoding; all of this node's one engine. */
  readonly connections: () => { engine: string; json: number; msgpack: number }
  /** Channels that somebody on this node listens to. */
  readonly channels: () => number
  /** Sum over the channels of their listeners here. */
  readonly subscriptions: () => number
  /** The newest id of the log this node knows of. */
  readonly logHead: () => number
  /** Events known to be in the log that the tail has not emitted yet. */
  readonly tailLagEvents: () => number
  /** Age of the oldest of them; 0 when there is none. */
  readonly tailLagSeconds: () => number
  readonly windowEvents: () => number
  readonly windowBytes: () => number
  /** Publishes waiting for their batch. */
  readonly appendQueue: () => number
  readonly databaseConnections: () => number
  /** 1 when the last contact with the database succeeded. */
  readonly databaseUp: () => number
}

export interface Metrics extends Counts {
  /** From the frame in to the ack out. */
  readonly publishSeconds: Distribution
  /** From the commit to the fan-out on this node. */
  readonly deliverySeconds: Distribution
  /** Events per batch. */
  readonly appendEvents: Distribution
  /** One batch, from the query to its commit. */
  readonly appendSeconds: Distribution
  /** `error` frames and HTTP errors, by error code. */
  readonly errors: Tally
  /** Closed connections, by close code. */
  readonly closes: Tally
  /** Answers to `hello`: fresh, resumed, refresh. */
  readonly resumes: Tally
  /** HTTP responses, by status. */
  readonly httpResponses: Tally
  /** Adds sources of gauges; may be called several times. */
  watch(gauges: Partial<Gauges>): void
  readonly contentType: string
  /** The Prometheus text format. */
  text(): Promise<string>
  /** Ends what observes the process, so that it can exit. */
  close(): void
}

const SECONDS = [
  0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10,
] as const
const EVENTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] as const

/** The metrics of one server, in a registry of its own, so that several can live in one process. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  const stopWatchingProcess = watchProcess(registry)
  const gauges: Partial<Gauges> = {}
  const metrics: Metrics = {
    framesIn: 0,
    framesOut: 0,
    eventsAppended: 0,
    duplicates: 0,
    eventsFannedOut: 0,
    signals: 0,
    rateLimited: 0,
    sendBufferCloses: 0,
    publishSeconds: new Distribution(SECONDS),
    deliverySeconds: new Distribution(SECONDS),
    appendEvents: new Distribution(EVENTS),
    appendSeconds: new Distribution(SECONDS),
    errors: new Tally(),
    closes: new Tally(),
    resumes: new Tally(),
    httpResponses: new Tally(),
    watch: (more) => void Object.assign(gauges, more),
    contentType: registry.contentType,
    text: () => registry.metrics(),
    close: stopWatchingProcess,
  }
  registerCounts(registry, metrics)
  registerDistributions(registry, metrics)
  registerGauges(registry, gauges)
  return metrics
}

const COUNTS: Record<keyof Counts, readonly [name: string, help: string]> = {
  framesIn: ['frames_received_total', 'Frames received from clients.'],
  framesOut: ['frames_sent_total', 'Frames sent to single clients; fan-out is counted by event.'],
  eventsAppended: ['events_appended_total', 'Events this node has written to the log.'],
  duplicates: ['duplicates_total', 'Publishes answered with an earlier ack.'],
  eventsFannedOut: ['events_fanned_out_total', 'Events handed to the sockets of a channel.'],
  signals: ['signals_total', 'Ephemeral signals fanned out.'],
  rateLimited: ['rate_limited_total', 'Frames refused by a rate limit.'],
  sendBufferCloses: ['send_buffer_closes_total', 'Connections ended because they read too slowly.'],
}

function registerCounts(registry: Registry, metrics: Metrics): void {
  for (const [field, [name, help]] of Object.entries(COUNTS) as [keyof Counts, readonly [string, string]][]) {
    const counter: Counter = new Counter({
      name: `bitacora_${name}`,
      help,
      registers: [registry],
      collect() {
        counter.reset()
        counter.inc(metrics[field])
      },
    })
  }
  tally('errors_total', 'Errors told to clients, by code.', 'code', metrics.errors)
  tally('closes_total', 'Closed connections, by close code.', 'code', metrics.closes)
  tally('resumes_total', 'Answers to hello, by outcome.', 'outcome', metrics.resumes)
  tally('http_responses_total', 'HTTP responses, by status.', 'status', metrics.httpResponses)

  function tally(name: string, help: string, label: string, counts: Tally) {
    const counter: Counter = new Counter({
      name: `bitacora_${name}`,
      help,
      labelNames: [label],
      registers: [registry],
      collect() {
        counter.reset()
        for (const [value, count] of counts.entries()) counter.inc({ [label]: value }, count)
      },
    })
  }
}

function registerDistributions(registry: Registry, metrics: Metrics): void {
  distribution('publish_seconds', 'From a publish frame in to its ack out.', metrics.publishSeconds)
  distribution(
    'delivery_seconds',
    'From the commit of an event to its fan-out here.',
    metrics.deliverySeconds,
  )
  distribution('append_batch_events', 'Events per batch written to the log.', metrics.appendEvents)
  distribution('append_seconds', 'Duration of writing one batch.', metrics.appendSeconds)

  function distribution(suffix: string, help: string, observed: Distribution) {
    const name = `bitacora_${suffix}`
    const get = async () => ({
      name,
      help,
      type: 'histogram',
      aggregator: 'sum',
      values: [
        ...observed
          .buckets()
          .map(({ le, count }) => ({ metricName: `${name}_bucket`, labels: { le }, value: count })),
        { metricName: `${name}_sum`, labels: {}, value: observed.sum },
        { metricName: `${name}_count`, labels: {}, value: observed.count },
      ],
    })
    // The registry asks a metric for nothing but its name and `get`; the type wants one of prom-client's classes.
    registry.registerMetric({ name, get } as unknown as Metric)
  }
}

const GAUGES: Record<Exclude<keyof Gauges, 'connections'>, readonly [name: string, help: string]> = {
  channels: ['channels', 'Channels that somebody on this node listens to.'],
  subscriptions: ['subscriptions', 'Subscriptions of all connections of this node.'],
  logHead: ['log_head', 'Newest event id this node knows of.'],
  tailLagEvents: ['tail_lag_events', 'Events in the log that this node has not emitted yet.'],
  tailLagSeconds: ['tail_lag_seconds', 'Age of the oldest event that this node has not emitted yet.'],
  windowEvents: ['window_events', 'Events kept in memory for resumes.'],
  windowBytes: ['window_bytes', 'Bytes kept in memory for resumes.'],
  appendQueue: ['append_queue_events', 'Publishes waiting for their batch.'],
  databaseConnections: ['database_connections', 'Open connections to PostgreSQL.'],
  databaseUp: ['database_up', '1 when the last contact with the database succeeded.'],
}

function registerGauges(registry: Registry, gauges: Partial<Gauges>): void {
  for (const [field, [name, help]] of Object.entries(GAUGES) as [
    keyof typeof GAUGES,
    readonly [string, string],
  ][]) {
    const gauge: Gauge = new Gauge({
      name: `bitacora_${name}`,
      help,
      registers: [registry],
      collect() {
        const read = gauges[field]
        if (read) gauge.set(read())
      },
    })
  }
  const connections: Gauge = new Gauge({
    name: 'bitacora_connections',
    help: 'Open WebSocket connections.',
    labelNames: ['engine', 'encoding'],
    registers: [registry],
    collect() {
      connections.reset()
      const now = gauges.connections?.()
      if (!now) return
      connections.set({ engine: now.engine, encoding: 'json' }, now.json)
      connections.set({ engine: now.engine, encoding: 'msgpack' }, now.msgpack)
    },
  })
}
