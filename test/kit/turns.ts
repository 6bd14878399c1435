import type { Random } from "./random.js";

/** One turn of the event loop: everything that needs no more than promises has happened after it. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Fewer than `below` turns, so that what others do comes in between. */
export const someTurns = async (random: Random, below: number): Promise<void> => {
  for (let left = random.int(below); left > 0; left -= 1) await settled();
};
