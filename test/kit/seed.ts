import type fc from "fast-check";
import { expect } from "vitest";

/**
 * The seed of this run's properties: `PARLEY_SEED=… npm test` repeats one that failed. fast-check prints it with the
 * counter-example; this prints it in front of every run as well.
 */
const given = Number(process.env.PARLEY_SEED);
export const seed = Number.isInteger(given) && process.env.PARLEY_SEED !== undefined ? given : Date.now() & 0x7fffffff;

export const withSeed = (options: { readonly numRuns: number }): fc.Parameters<unknown> => ({ ...options, seed });

const roundsMax = 10;

/**
 * Asserts a property with this run's seed and then, while something that it is about has been met fewer than `atLeast`
 * times (the property counts it in `seen`), with the seeds after it: one seed may miss what is rare, ten do not.
 * A property that still has not met it can't fail and is refused.
 */
export const untilSeen = async (
  seen: Readonly<Record<string, number>>,
  atLeast: number,
  check: (runs: (numRuns: number) => fc.Parameters<unknown>) => Promise<void> | void,
): Promise<void> => {
  const rare = () => Object.entries(seen).filter(([, times]) => times < atLeast);
  for (let round = 0; round === 0 || (rare().length > 0 && round < roundsMax); round += 1)
    await check((numRuns) => ({ numRuns, seed: seed + round }));
  expect(rare(), `met fewer than ${atLeast} times in ${roundsMax} rounds`).toEqual([]);
};
