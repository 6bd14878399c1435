import { setImmediate as nextTurn } from "node:timers/promises";
import type { GenerationReader, StoredRow } from "../ports/generations.js";
import type { Key, ViewName } from "../view-change.js";
import { digestOfRow } from "../views/stored-row.js";

/** A row by its view and key. */
export type RowPlace = { readonly view: ViewName; readonly key: Key };

export type Differences = {
  /** Rows looked at, of both together, each key once. */
  readonly rows: number;
  /** The first `keptMax` rows that are not the same in both, or in one alone. */
  readonly kept: readonly RowPlace[];
  /** How many more there were. */
  readonly more: number;
};

const pageRows = 500;
/** What differs that much is not looked through row by row. */
const keptMax = 10_000;

/**
 * Walks two generations' rows in the order of their keys, and compares their digests. What is written meanwhile may differ
 * for that alone: `settle` says.
 * @param onRows told how many rows were looked at, page by page; what it throws ends the walk
 */
export const differencesOf = async (
  live: GenerationReader,
  built: GenerationReader,
  views: readonly ViewName[],
  onRows: (rows: number) => void | Promise<void>,
): Promise<Differences> => {
  const kept: RowPlace[] = [];
  let [rows, more] = [0, 0];
  const differs = (place: RowPlace): void => {
    if (kept.length < keptMax) kept.push(place);
    else more += 1;
  };
  for (const view of views) {
    const [ours, theirs] = [walk(live, view), walk(built, view)];
    for (let [a, b] = [await ours(), await theirs()]; a !== undefined || b !== undefined;) {
      rows += 1;
      const order = a === undefined ? 1 : b === undefined ? -1 : live.compare(view, a.key, b.key);
      const key = (order <= 0 ? a : b)?.key ?? [];
      const isSame = order === 0 && a !== undefined && b !== undefined && isSameRow(view, a, b);
      if (!isSame) differs({ view, key });
      if (order <= 0) a = await ours();
      if (order >= 0) b = await theirs();
      if (rows % pageRows === 0) {
        await onRows(rows);
        await nextTurn();
      }
    }
  }
  await onRows(rows);
  return { rows, kept, more };
};

export const isSameRow = (view: ViewName, a: StoredRow | undefined, b: StoredRow | undefined): boolean =>
  a === undefined || b === undefined ? a === b : digestOfRow(view, a) === digestOfRow(view, b);

/** A view's rows one after the other, read by pages; undefined at the end. */
const walk = (reader: GenerationReader, view: ViewName) => {
  let page: readonly StoredRow[] = [];
  let [index, isLast] = [0, false];
  let after: Key | undefined;
  return async (): Promise<StoredRow | undefined> => {
    if (index >= page.length && !isLast) {
      page = await reader.rows(view, { limit: pageRows, ...(after === undefined ? {} : { after }) });
      [index, isLast, after] = [0, page.length < pageRows, page.at(-1)?.key];
    }
    return page[index++];
  };
};
