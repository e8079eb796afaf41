/**
 * The load generator, a process of its own: plain sockets, frames counted without decoding them. A client library
 * costs more than the server, and would be what is measured. Driven over IPC: `generator/commands.ts`.
 */
import { burst } from './generator/burst.ts'
import { Client } from './generator/client.ts'
import { PublishFrames } from './generator/client-frames.ts'
import type { GeneratorCommands, OpenRequest } from './generator/commands.ts'
import { Flow } from './generator/flow.ts'
import { pace } from './generator/pace.ts'
import { send } from './generator/send.ts'
import { serve } from './system/rpc.ts'

const groups = new Map<string, Client[]>()
let flow: Flow | undefined

serve<GeneratorCommands>({
  open,
  startFlow: (request) => {
    flow = new Flow(members(request.group), request)
  },
  stopFlow: () => flow?.stop(),
  flowCounts: () => flow!.counts(),
  send: async ({ publishers, channels, payload, tag, events }) => {
    const publisher = members(publishers)[0]!
    for (const [n, channel] of channels.entries()) {
      await send(publisher, new PublishFrames(channel, payload, `${tag}-${n}`), events)
    }
  },
  burst: (request) => burst(members(request.publishers)[0]!, members(request.subscribers), request),
  pace: (request) =>
    pace(
      members(request.publishers)[0]!,
      members(request.subscribers).filter((client) => !client.stalled),
      request,
    ),
  stall: ({ group, index }) => members(group)[index]!.stall(),
  counts: ({ group }) => {
    const clients = members(group)
    return {
      open: clients.filter((client) => client.closeCode === undefined).length,
      acks: clients.reduce((sum, client) => sum + client.walker.acks, 0),
      events: clients.reduce((sum, client) => sum + client.walker.events, 0),
      errors: clients.flatMap((client) => client.errors).slice(0, 10),
      closes: clients.flatMap((client) => client.closeCode ?? []),
    }
  },
  close: ({ group }) => {
    for (const client of members(group)) client.end()
    groups.delete(group)
  },
})

async function open({ group, port, hellos, concurrency }: OpenRequest) {
  const clients = new Array<Client>(hellos.length)
  const startedAtMs = performance.now()
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < hellos.length) {
      const n = next++
      clients[n] = await Client.open({ port, hello: hellos[n]!, localAddress: sourceAddress(n) })
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, hellos.length) }, lane))
  groups.set(group, clients)
  return { elapsedMs: performance.now() - startedAtMs, welcome: clients[0]!.welcome }
}

/** An address has some 28,000 ports for connections to one port; 5,000 of each leaves room for those still closing. */
function sourceAddress(n: number): string {
  return `127.0.0.${2 + Math.floor(n / 5000)}`
}

function members(group: string): Client[] {
  const clients = groups.get(group)
  if (clients === undefined) throw new Error(`no group of connections is called ${group}`)
  return clients
}
