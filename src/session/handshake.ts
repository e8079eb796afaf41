import { parseChannel } from '../../protocol/v1/channel.ts'
import { ProtocolError } from '../../protocol/v1/errors.ts'
import type { HelloFrame, WelcomeFrame } from '../../protocol/v1/frames.ts'
import { authorize, personalChannels, usersPerChannel } from '../access/policy.ts'
import type { Claims } from '../access/verify-token.ts'
import type { Services } from '../commands/command.ts'
import { planResume, type ResumePlan } from '../fanout/resume.ts'

export interface GreetingOptions {
  readonly heartbeat: { readonly interval: number; readonly timeout: number }
  readonly limits: WelcomeFrame['limits']
  readonly features: readonly string[]
  readonly server: { readonly version: string; readonly node: string }
}

export interface Greeting {
  readonly claims: Claims
  readonly plan: ResumePlan | { readonly outcome: 'fresh' }
  /**
   * The channels that the session gets and the `welcome` that says so, as of this moment: channels have to be entered and
   * the stream to be started in the same task.
   */
  admit(): { readonly channels: readonly string[]; readonly welcome: Omit<WelcomeFrame, 'session'> }
}

/** Decides everything that `welcome` tells, once the token is verified. Rejects with a `ProtocolError`. */
export async function greet(
  frame: HelloFrame,
  services: Services,
  options: GreetingOptions,
): Promise<Greeting> {
  const { log, catalogue, verify } = services
  const claims = await verify(frame.token)
  const { channels, refused } = chooseChannels(frame, claims, services)
  const cursor =
    frame.lastEventId === undefined ? undefined : { epoch: frame.epoch!, lastEventId: frame.lastEventId }
  const plan = cursor
    ? await planResume(log, services.limits, channels, cursor)
    : ({ outcome: 'fresh' } as const)
  await log.seqs.load(channels)
  const starts = plan.outcome === 'resumed' ? plan.seqs : undefined
  const admit = (): ReturnType<Greeting['admit']> => {
    const full = channels.filter((channel) => isFull(channel, services))
    const admitted = channels.filter((channel) => !full.includes(channel))
    const welcome = {
      op: 'welcome' as const,
      id: frame.id,
      protocol: 1 as const,
      user: claims.sub,
      epoch: log.epoch,
      pos: log.position,
      resume: plan.outcome,
      channels: admitted.map((channel) => ({ channel, seq: (starts ?? log.seqs).get(channel) ?? 0 })),
      refused: [...refused, ...full.map((channel) => ({ channel, code: 'CHANNEL_FULL' as const }))],
      expiresAt: Math.floor(claims.exp * 1000),
      heartbeat: options.heartbeat,
      limits: options.limits,
      modules: [...(claims.modules ?? catalogue.modules)],
      features: [...options.features],
      server: options.server,
    }
    return { channels: admitted, welcome }
  }
  return { claims, plan, admit }
}

/** The channels that the session has by itself, then those it asks for, as far as it may. */
function chooseChannels(frame: HelloFrame, claims: Claims, { catalogue, limits }: Services) {
  const channels = new Set(personalChannels(claims, catalogue.modules))
  const refused: WelcomeFrame['refused'] = []
  for (const channel of frame.channels ?? []) {
    if (channels.has(channel)) continue
    try {
      const parsed = parseChannel(channel)
      if (parsed === undefined) throw new ProtocolError('INVALID_CHANNEL', 'not a channel name')
      authorize(claims, 'subscribe', parsed)
      if (channels.size >= limits.maxChannelsPerSession)
        throw new ProtocolError('TOO_MANY_CHANNELS', 'too many')
      channels.add(channel)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      // The name comes back as it was, but for what no string of the protocol may hold (§3.1).
      refused.push({ channel: channel.toWellFormed().replaceAll('\0', '\ufffd'), code: error.code })
    }
  }
  return { channels: [...channels], refused }
}

function isFull(channel: string, { hub, limits }: Pick<Services, 'hub' | 'limits'>): boolean {
  const { namespace } = parseChannel(channel)!
  return hub.users(channel) >= usersPerChannel(namespace, limits.maxUsersPerChannel)
}
