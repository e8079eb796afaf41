/** What one channel of the `channels` claim allows. `subscribe` includes the channel's history, as it does everywhere. */
export type Right = 'subscribe' | 'publish' | 'signal'

/** An explicit grant: these rights on exactly this channel, whatever the policy table says. */
export interface Grant {
  /** Canonical channel text; a scope does not include its modules. */
  readonly channel: string
  readonly may: readonly Right[]
}

/** What a verified token says about its bearer. Other claims of the token are not looked at. */
export interface Claims {
  /** The user id. */
  readonly sub: string
  /** `service` and `admin` may everything; `agent` and any other by the policy table. */
  readonly role: string | undefined
  readonly workspaceId?: string
  readonly shopId?: string
  /** The modules of the scopes that the bearer sees. Absent: all. Empty: none. */
  readonly modules?: readonly string[]
  readonly channels?: readonly Grant[]
  readonly tenantId?: string
  /** When the token ends, in seconds since the Unix epoch; may have a fraction. */
  readonly exp: number
  /** When it was issued, in seconds since the Unix epoch. */
  readonly iat?: number
}
