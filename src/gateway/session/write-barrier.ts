/**
 * What is in flight, cut by barriers: a barrier waits for everything that began before it and for nothing that begins
 * later. Costs a counter per piece of work; only a barrier makes a promise.
 */
export type WriteBarrier = {
  readonly begin: () => Writes;
  readonly end: (writes: Writes) => void;
  readonly barrier: () => Promise<void>;
};
/** Those that began between two barriers. */
export type Writes = { left: number; ended?: () => void };

export const createWriteBarrier = (): WriteBarrier => {
  let current: Writes = { left: 0 };
  let earlier: Promise<void> = Promise.resolve();
  return {
    begin: () => {
      current.left++;
      return current;
    },
    end: (writes) => {
      writes.left--;
      if (writes.left === 0) writes.ended?.();
    },
    barrier: () => {
      if (current.left === 0) return earlier;
      const writes = current;
      const before = earlier;
      current = { left: 0 };
      earlier = new Promise<void>((resolve) => {
        writes.ended = resolve;
      }).then(() => before);
      return earlier;
    },
  };
};
