import type { Actor } from "../../domain/kernel/ids.js";

/** Who is typing where: over the bus alone, never through the log. */
export type Typing = {
  /** `others`: who is told, on the first start; each further one only keeps it alive for five more seconds. */
  readonly start: (conversationId: string, by: Actor, others: readonly string[]) => void;
  readonly stop: (conversationId: string, by: Actor) => void;
  /** The device has gone: whatever it typed ends. */
  readonly gone: (by: Actor) => void;
};
