/** Bounds of the bus, each with its reason. Times in milliseconds. */
export const natsBusLimits = {
  /** A gateway that is well answers in one; a pause for collecting garbage is shorter. */
  answerMs: 1_000,
  /** Then a gateway counts as away: its devices sync when they are back, and the sender's checkpoint moves on. */
  giveUpMs: 5_000,
  /** First pause before a repetition; it doubles, with jitter, up to `answerMs`. */
  retryMs: 100,
  /** How often a gateway that was given up is asked whether it is there again. */
  probeMs: 1_000,
  /** Waiting frames for one gateway; beyond it is given up: what it would read is older than what a sync gives. */
  queueBytesMax: 8 * 1_024 * 1_024,
  /** Frames whose recipients' gateways are being looked up. */
  lookupBytesMax: 32 * 1_024 * 1_024,
  /** One request; the server's own limit, less room for the header, when that is smaller. A long one delays those behind. */
  requestBytesMax: 512 * 1_024,
  /** Ephemeral bytes on their way to a server that has not confirmed them: a stalled one must not fill the memory. */
  ephemeralBytesMax: 1_024 * 1_024,
  heartbeatMs: 2_000,
  /** Three heartbeats lost in a row. */
  livingMs: 7_000,
  /** A sender keeps its count for a silent gateway, and a gateway its count of a silent sender, for so long. */
  forgetMs: 600_000,
  /** So soon after its own start a gateway cannot have missed anything of the first sender it hears. */
  startMs: 3_000,
  /** A gateway whose process stood still for so long may have been given up by a sender that died since. */
  stallMs: 4_500,
  sendersMax: 10_000,
  /** What is under way when the sender stops has this long. */
  stopMs: 2_000,
} as const;

export type NatsBusLimits = { readonly [Name in keyof typeof natsBusLimits]: number };
