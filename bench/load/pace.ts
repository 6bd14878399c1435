import { createClosedLoop } from "./closed-loop.js";
import type { Loop } from "./loop.js";
import { createPacedLoop, type PacedLoopOptions } from "./paced-loop.js";

/** So many messages in flight per sender, or so many a second by the clock, of all senders together. */
export type Pace = { readonly window: number } | { readonly perSecond: number };

export const createLoop = (pace: Pace, options: Omit<PacedLoopOptions, "perSecond">): Loop =>
  "window" in pace ? createClosedLoop({ ...options, ...pace }) : createPacedLoop({ ...options, ...pace });
