import { parseChannel } from '../../protocol/v1/channel.ts'
import { CLOSE, ProtocolError } from '../../protocol/v1/errors.ts'
import type { AuthFrame } from '../../protocol/v1/frames.ts'
import { may, personalChannels } from '../access/policy.ts'
import type { Caller, Command, Services } from './command.ts'

/** Renews the token of a live connection; what it no longer allows is left. */
export const auth: Command<AuthFrame> = async (caller, { id, token }, services) => {
  const claims = await services.verify(token)
  if (claims.sub !== caller.claims.sub) {
    throw new ProtocolError('AUTH_FAILED', 'The token is of another user; connect anew to change the user.')
  }
  caller.renew(claims)
  caller.ok(id, { expiresAt: Math.floor(claims.exp * 1000) })
  // The reply is out; whatever keeps the rights from being applied must not leave the old ones in force.
  await caller.inOrder(() => applyRights(caller, services)).catch(() => caller.end(CLOSE.internal))
}

async function applyRights(caller: Caller, { log, catalogue }: Services): Promise<void> {
  const { claims } = caller
  const personal = new Set(personalChannels(claims, catalogue.modules))
  await log.seqs.load([...caller.channels, ...personal])
  for (const channel of [...caller.channels]) {
    if (may(claims, 'subscribe', parseChannel(channel)!)) continue
    caller.unsubscribe(channel)
    caller.send({ op: 'unsubscribed', channel, seq: log.seqs.get(channel)!, reason: 'rights' })
  }
  for (const channel of personal) {
    if (caller.channels.has(channel)) continue
    caller.send({ op: 'subscribed', channel, seq: log.seqs.get(channel)!, reason: 'rights' })
    caller.subscribe(channel)
  }
}
