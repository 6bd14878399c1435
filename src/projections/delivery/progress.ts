import type { Position } from "../../domain/kernel/stream.js";

/** Up to which position everything is done, though it is done in any order. */
export type Progress = {
  /** Something at this position is under way. Positions come in ascending order; one may come several times. */
  readonly begin: (position: Position) => void;
  readonly end: (position: Position) => void;
  /** Undefined while there is room; else resolves when there is again. */
  readonly room: () => Promise<void> | undefined;
};

/** `onDone` is called with ever greater positions. Beyond `positionsMax` that are under way there is no room. */
export const createProgress = (onDone: (position: Position) => void, positionsMax: number): Progress => {
  /** Ascending, since a map keeps the order in which its keys came. */
  const underWay = new Map<Position, number>();
  let resume: (() => void) | undefined;
  return {
    begin: (position) => {
      underWay.set(position, (underWay.get(position) ?? 0) + 1);
    },
    end: (position) => {
      underWay.set(position, (underWay.get(position) ?? 1) - 1);
      let done: Position | undefined;
      for (const [first, count] of underWay) {
        if (count > 0) break;
        underWay.delete(first);
        done = first;
      }
      if (done === undefined) return;
      onDone(done);
      if (underWay.size < positionsMax) resume?.();
    },
    room: () => (underWay.size < positionsMax ? undefined : new Promise((resolve) => (resume = resolve))),
  };
};
