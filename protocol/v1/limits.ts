/** What version 1 bounds. Those that a server may set differently it announces in `welcome.limits`. */
export const LIMITS = {
  /** One WebSocket message from a client, in bytes. */
  maxFrameBytes: 65_536,
  /** Arrays and objects inside one another; the frame itself is the first. */
  maxDepth: 32,
  /** Items of all arrays and members of all objects of a frame together. */
  maxElements: 10_000,
  /** Channels that one session may be subscribed to. */
  maxChannels: 256,
  /** Events that a resume replays at most; beyond it the answer is `refresh`. */
  maxReplayEvents: 10_000,
  /** Events in one reply to `history`, or to `subscribe` with `last`. */
  maxHistoryEvents: 1_000,
  /** `history` without a `limit`. */
  defaultHistoryEvents: 50,
  /** Events in one `POST /v1/publish`. */
  maxEventsPerRequest: 1_000,
} as const

/** What is counted before anything is built from input. */
export interface DepthLimits {
  readonly maxDepth: number
  readonly maxElements: number
}
