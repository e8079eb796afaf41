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
  readonly channels: readonly string[]
  readonly plan: ResumePlan | { readonly outcome: 'fresh' }
  /** The `welcome` of this moment; the stream has to start in the same tick. */
  welcome(): Omit<WelcomeFrame, 'session'>
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
  return {
    claims,
    channels,
    plan,
    welcome: () => ({
      op: 'welcome',
      id: frame.id,
      protocol: 1,
      user: claims.sub,
      epoch: log.epoch,
      pos: log.position,
      resume: plan.outcome,
      channels: channels.map((channel) => ({ channel, seq: (starts ?? log.seqs).get(channel) ?? 0 })),
      refused,
      expiresAt: Math.floor(claims.exp * 1000),
      heartbeat: options.heartbeat,
      limits: options.limits,
      modules: [...(claims.modules ?? catalogue.modules)],
      features: [...options.features],
      server: options.server,
    }),
  }
}

/** The channels that the session has by itself, then those it asks for, as far as it may. */
function chooseChannels(frame: HelloFrame, claims: Claims, { hub, catalogue, limits }: Services) {
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
      if (hub.listeners(channel) >= usersPerChannel(parsed.namespace, limits.maxUsersPerChannel)) {
        throw new ProtocolError('CHANNEL_FULL', 'full')
      }
      channels.add(channel)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      refused.push({ channel, code: error.code })
    }
  }
  return { channels: [...channels], refused }
}
