import { views } from "../registry.js";
import type { ViewName } from "../view-change.js";
import { differencesOf } from "./compare.js";
import { settle, type Difference, type SettleOptions } from "./settle.js";

export type Compared = {
  /** Rows looked at, of both together, each key once. */
  readonly rowsCompared: number;
  /** Those that differ for good. */
  readonly different: readonly Difference[];
  /** There were so many that these were not looked at again. */
  readonly notLookedAt: number;
};

/** What differs that much is not looked at row by row. */
const differentMax = 10_000;

/**
 * Every row of both generations. What differs is looked at again at once, however much of it there is on a busy day: a row
 * may have moved between the two reads of it.
 */
export const compareAll = async ({
  onRows,
  ...settling
}: SettleOptions & { readonly onRows: (rows: number) => Promise<void> }): Promise<Compared> => {
  const different: Difference[] = [];
  let notLookedAt = 0;
  const rowsCompared = await differencesOf(settling.live, settling.built, Object.keys(views) as ViewName[], {
    onDiffering: async (places) => {
      if (different.length >= differentMax) notLookedAt += places.length;
      else different.push(...(await settle(settling, places)));
    },
    onRows,
  });
  return { rowsCompared, different, notLookedAt };
};
