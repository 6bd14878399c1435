import type { Position } from "../../domain/kernel/stream.js";
import type { StoredRow } from "./generations.js";
import type { Key, Value, Versioned, ViewName } from "../view-change.js";

/** A row as a store keeps it, with its view: only what is there. A fact without a value is not there. */
export type ViewRow = {
  readonly view: ViewName;
  readonly key: Key;
  readonly facts: Readonly<Record<string, Value>>;
  readonly raised: Readonly<Record<string, number>>;
  readonly registers: Readonly<Record<string, Readonly<Versioned>>>;
};

/** Rows of a view by the first parts of their key, `messages` and `reactions` also by sequence, `receiptSteps` by `upTo`. */
export type RowsAsked = {
  readonly view: ViewName;
  readonly under: Key;
  /** Inclusive. */
  readonly window?: { readonly from: number; readonly to: number };
};

export type StoredRows = {
  /** Everything up to it is in the rows that are read from now on. */
  readonly reached: () => Promise<Position>;
  /**
   * `exactlyAt`: the rows are those of one moment, and hold the log up to there. Undefined where a store has none: they hold
   * everything up to what `reached` said before, and of what comes after in the log some.
   */
  readonly read: (
    asked: readonly RowsAsked[],
  ) => Promise<{ readonly rows: readonly ViewRow[]; readonly exactlyAt: Position | undefined }>;
};

/** A row that a store has to have in place of what it has: `right` as of the position `at`; undefined: no such row. */
export type Replacement = {
  readonly view: ViewName;
  readonly key: Key;
  readonly stored: ViewRow | undefined;
  readonly right: ViewRow | undefined;
  /** Those that are wrong, where both are there; omitted: any may be. */
  readonly fields?: readonly { readonly field: string }[];
};

/** A name for a row among all views' rows: no id holds a NUL. */
export const rowName = ({ view, key }: { readonly view: ViewName; readonly key: Key }): string =>
  `${view}\0${key.join("\0")}`;

/** Facts without a value are not there. */
export const viewRowOf = (view: ViewName, { key, facts, raised, registers }: StoredRow): ViewRow => ({
  view,
  key,
  facts: presentFacts(facts),
  raised,
  registers,
});

export const presentFacts = (facts: Readonly<Record<string, Value>>): Readonly<Record<string, Value>> =>
  Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== null));
