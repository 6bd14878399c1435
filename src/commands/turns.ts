/**
 * How several processes share one busy stream. The one whose append was taken knows first where the stream stands now: with
 * more to write it would be first again, and again, while the others are told each time that they were overtaken. So it
 * lets them go first: each time where others are known to write as well, now and then where this process knows of none.
 */
export type Turn = {
  /** When its append was taken, on the monotonic clock, and how long it took with all that came before. */
  readonly endedAt: number;
  readonly tookMs: number;
  /** Appends one right after the other, without a pause in which another could have written. */
  readonly inARow: number;
  /** When this process last was overtaken there. */
  readonly overtakenAt: number;
};

/** So many in a row look as if no other process wrote: those that starve meanwhile wait for no more than these. */
const inARowMax = 64;
/** A process that overtook this one is expected to have more for so long. */
const rivalMs = 1_000;
/** For the others to read what is there now and to append: as long as both take here, and what they pause themselves. */
const pauseMs = ({ tookMs }: Turn): number => Math.min(2 * tookMs + 10, pauseMsMax);
const pauseMsMax = 50;

/** How long to wait before the next append; 0 for most. `random`: 0 to 1. */
export const pauseBefore = (turn: Turn | undefined, now: number, random: number): number => {
  if (turn === undefined) return 0;
  const hasRivals = now - turn.overtakenAt < rivalMs;
  if (!hasRivals && turn.inARow < inARowMax) return 0;
  return Math.max(0, turn.endedAt + pauseMs(turn) * (hasRivals ? random : 1) - now);
};

/** What is to be known of an append that was begun and taken then, after so many conflicts. */
export const nextTurn = (before: Turn | undefined, startedAt: number, endedAt: number, conflicts: number): Turn => ({
  endedAt,
  tookMs: (endedAt - startedAt) / (1 + conflicts),
  // Half of it, since timers end a pause up to some milliseconds early: it would be paused for before each append then.
  inARow: before !== undefined && startedAt - before.endedAt < pauseMs(before) / 2 ? before.inARow + 1 : 1,
  overtakenAt: conflicts > 0 ? endedAt : (before?.overtakenAt ?? -Infinity),
});
