/** mulberry32: a small seeded generator, so that a run can be repeated. */
export const randomFrom = (seed: number) => {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    /** From 0 up to, not including, `below`. */
    int: (below: number): number => Math.floor(next() * below),
    pick: <A>(from: readonly A[]): A => {
      const picked = from[Math.floor(next() * from.length)];
      if (picked === undefined) throw new Error("nothing to pick from");
      return picked;
    },
    chance: (probability: number): boolean => next() < probability,
  };
};
export type Random = ReturnType<typeof randomFrom>;
