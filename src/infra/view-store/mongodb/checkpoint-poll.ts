import { asPosition, type Position } from "../../../domain/kernel/stream.js";
import type { Checkpoint } from "../../../projections/ports/view-store.js";
import { asError } from "../../../lib/errors.js";
import { pause } from "../../../lib/time.js";
import { createPositionWaiters } from "../position-waiters.js";

/** Readers that wait until projectors in other processes have come to a position. */
export type CheckpointPoll = {
  /** True as soon as the views hold everything up to the position; false when the time is up, or too many wait. */
  readonly awaitCaughtUp: (position: Position, timeoutMs: number) => Promise<boolean>;
  /** How far the views were when they were asked last; -1 before that. */
  readonly reached: () => Position;
  /** Readers that wait are answered false. Resolves when nothing is asked of the store any more. */
  readonly close: () => Promise<void>;
};

/** A reader notices half of it late on average; for all readers of a process together it is one small read each time. */
const pollMs = 15;
/** While the store cannot be asked: its own time-outs come on top. */
const pollFailedMs = 250;

/** Asks for the checkpoint while readers wait, for all of them at once, and not at all while none does. */
export const createCheckpointPoll = (
  checkpoint: () => Promise<Checkpoint | undefined>,
  onProblem: (error: Error) => void,
): CheckpointPoll => {
  let newest: Position = asPosition(-1);
  const waiters = createPositionWaiters(newest);
  let waiting = 0;
  let closed = false;
  let polling: Promise<void> | undefined;
  let resting = new AbortController();

  const ask = async (): Promise<number> => {
    try {
      newest = asPosition(Math.max(newest, (await checkpoint())?.position ?? -1));
      waiters.reached(newest);
      return pollMs;
    } catch (error) {
      onProblem(asError(error));
      return pollFailedMs;
    }
  };
  const poll = async (): Promise<void> => {
    while (waiting > 0 && !closed) {
      const ms = await ask();
      // Readers that have just been answered are no longer counted after this turn.
      resting = new AbortController();
      await pause(ms, { stopped: resting.signal });
    }
    polling = undefined;
  };

  return {
    awaitCaughtUp: async (position, timeoutMs) => {
      if (position <= newest) return true;
      waiting += 1;
      if (!closed) polling ??= poll();
      try {
        return await waiters.wait(position, timeoutMs);
      } finally {
        waiting -= 1;
        if (waiting === 0) resting.abort();
      }
    },
    reached: () => newest,
    close: async () => {
      closed = true;
      waiters.giveUp();
      resting.abort();
      await polling;
    },
  };
};
