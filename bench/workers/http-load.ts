/** autocannon in a process of its own. */
import autocannon from 'autocannon'
import { serve } from '../system/rpc.ts'

export interface HttpLoadCommands {
  post(request: HttpLoad): HttpLoadResult
}

export interface HttpLoad {
  readonly url: string
  readonly token: string
  readonly body: string
  readonly connections: number
  readonly seconds: number
}

export interface HttpLoadResult {
  readonly requests: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

serve<HttpLoadCommands>({
  async post({ url, token, body, connections, seconds }) {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const result = await autocannon({ url, method: 'POST', headers, body, connections, duration: seconds })
    const failed = result.errors + result.non2xx
    if (failed > 0) throw new Error(`${failed} of ${result.requests.total} requests failed`)
    return {
      requests: result.requests.total,
      requestsPerSecond: result.requests.total / result.duration,
      p50Ms: result.latency.p50,
      p99Ms: result.latency.p99,
    }
  },
})
