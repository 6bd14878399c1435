import type { Position } from "../../domain/kernel/stream.js";

/**
 * Keeps delivery's checkpoint before events of which not all is told yet though their frames are: whoever begins there
 * again tells the rest. It holds up nothing else.
 */
export type HeldCheckpoint = {
  /** Frames up to this position were answered; with ever greater positions. */
  readonly done: (position: Position) => void;
  /** The checkpoint stays before it until the result is called; again is harmless. */
  readonly hold: (position: Position) => () => void;
  /** So many more events were looked at. */
  readonly looked: (events: number) => void;
};

/**
 * Events that may lie behind a checkpoint that is held, all of which come a second time after a crash. Beyond them it goes
 * on: what is still untold then depends on this process.
 */
const heldEventsMax = 10_000;

/** `report` is called with ever greater positions. */
export const createHeldCheckpoint = (
  report: (position: Position) => void,
  eventsMax = heldEventsMax,
): HeldCheckpoint => {
  /** In the log's order, each with what had been looked at when it came. */
  const held = new Map<Position, number>();
  let looked = 0;
  let done: Position | undefined;
  let reported: Position | undefined;

  const go = (): void => {
    const [first] = held.keys();
    if (done === undefined || done === reported || (first !== undefined && done >= first)) return;
    reported = done;
    report(done);
  };
  return {
    done: (position) => {
      done = position;
      go();
    },
    hold: (position) => {
      held.set(position, looked);
      return () => {
        if (held.delete(position)) go();
      };
    },
    looked: (events) => {
      looked += events;
      for (const [position, since] of held) {
        if (looked - since <= eventsMax) break;
        held.delete(position);
      }
    },
  };
};
