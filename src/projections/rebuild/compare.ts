import { setImmediate as nextTurn } from "node:timers/promises";
import type { GenerationReader, StoredRow } from "../ports/generations.js";
import type { Key, ViewName } from "../view-change.js";
import { digestOfRow } from "../views/stored-row.js";

/** A row by its view and key. */
export type RowPlace = { readonly view: ViewName; readonly key: Key };

export type CompareOptions = {
  /** Rows that are not the same in both, or in one alone: a few at a time, in the order of the walk. */
  readonly onDiffering: (places: readonly RowPlace[]) => Promise<void>;
  /** Told how many rows were looked at, page by page; what it throws ends the walk. */
  readonly onRows: (rows: number) => void | Promise<void>;
};

const pageRows = 500;
const sliceRows = 200;

/**
 * Walks two generations' rows in the order of their keys, and compares their digests. What is written meanwhile may differ
 * for that alone: `settle` says.
 * @returns rows looked at, of both together, each key once
 */
export const differencesOf = async (
  live: GenerationReader,
  built: GenerationReader,
  views: readonly ViewName[],
  { onDiffering, onRows }: CompareOptions,
): Promise<number> => {
  let rows = 0;
  let differing: RowPlace[] = [];
  const handOver = async (): Promise<void> => {
    const places = differing;
    differing = [];
    if (places.length > 0) await onDiffering(places);
  };
  for (const view of views) {
    const [ours, theirs] = [walk(live, view), walk(built, view)];
    for (let [a, b] = [await ours(), await theirs()]; a !== undefined || b !== undefined;) {
      rows += 1;
      const order = a === undefined ? 1 : b === undefined ? -1 : live.compare(view, a.key, b.key);
      const key = (order <= 0 ? a : b)?.key ?? [];
      const isSame = order === 0 && a !== undefined && b !== undefined && isSameRow(view, a, b);
      if (!isSame) differing.push({ view, key });
      if (differing.length >= sliceRows) await handOver();
      if (order <= 0) a = await ours();
      if (order >= 0) b = await theirs();
      if (rows % pageRows === 0) {
        await onRows(rows);
        await nextTurn();
      }
    }
  }
  await handOver();
  await onRows(rows);
  return rows;
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
