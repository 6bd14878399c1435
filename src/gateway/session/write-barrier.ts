/**
 * What is in flight, cut by barriers: a barrier waits for everything that began before it and for nothing that begins
 * later. Costs a counter per piece of work; only a barrier makes a promise.
 */
export type Waves = {
  readonly begin: () => Wave;
  readonly end: (wave: Wave) => void;
  readonly barrier: () => Promise<void>;
};
export type Wave = { left: number; ebbed?: () => void };

export const createWaves = (): Waves => {
  let current: Wave = { left: 0 };
  let earlier: Promise<void> = Promise.resolve();
  return {
    begin: () => {
      current.left++;
      return current;
    },
    end: (wave) => {
      wave.left--;
      if (wave.left === 0) wave.ebbed?.();
    },
    barrier: () => {
      if (current.left === 0) return earlier;
      const wave = current;
      const before = earlier;
      current = { left: 0 };
      earlier = new Promise<void>((resolve) => {
        wave.ebbed = resolve;
      }).then(() => before);
      return earlier;
    },
  };
};
