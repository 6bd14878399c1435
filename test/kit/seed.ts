import type fc from "fast-check";

/**
 * The seed of this run's properties: `PARLEY_SEED=… npm test` repeats one that failed. fast-check prints it with the
 * counter-example; this prints it in front of every run as well.
 */
const given = Number(process.env.PARLEY_SEED);
export const seed = Number.isInteger(given) && process.env.PARLEY_SEED !== undefined ? given : Date.now() & 0x7fffffff;

export const withSeed = (options: { readonly numRuns: number }): fc.Parameters<unknown> => ({ ...options, seed });
