import type Database from "better-sqlite3";
import { noPosition, type Position } from "../../../domain/kernel/stream.js";
import {
  viewRowOf,
  type Replacement,
  type RowsAsked,
  type ViewRow,
  type StoredRows,
} from "../../../projections/ports/stored-rows.js";
import type { Checkpoint } from "../../../projections/ports/view-store.js";
import { views, viewsVersion } from "../../../projections/registry.js";
import { foldChanges, type ViewChange, type ViewName } from "../../../projections/view-change.js";
import { openToRead } from "../../engines/sqlite-file.js";
import { storedRow } from "./generation-rows.js";
import { binderOf, upsertOf } from "./schema.js";

/** Rows as they lie in the file, for those who look for what is wrong with them. */
export const storedRowsOf = (db: Database.Database): StoredRows => {
  const position = db.prepare<[], Position>("select position from checkpoint").pluck();
  const reached = (): Position => position.get() ?? noPosition;
  const read = db.transaction((asked: readonly RowsAsked[]) => ({
    rows: asked.flatMap((each) => [...rowsIn(db, each)]),
    exactlyAt: reached(),
  }));
  return {
    reached: () => Promise.resolve(reached()),
    read: (asked) =>
      new Promise((resolve) => {
        resolve(read(asked));
      }),
  };
};

type Cell = string | number | null;

/** Which column a window is about, where a view has one. */
const windowColumn: Partial<Record<ViewName, string>> = {
  messages: "sequence",
  reactions: "sequence",
  receiptSteps: "upTo",
};

function* rowsIn(db: Database.Database, { view, under, window }: RowsAsked): Generator<ViewRow> {
  const keys = Object.keys(views[view].key);
  const conditions = under.map((_, index) => `${keys[index] ?? ""} = ?`);
  const column = windowColumn[view];
  if (window !== undefined && column !== undefined) conditions.push(`${column} between ? and ?`);
  const statement = db.prepare<Cell[], Record<string, Cell>>(
    `select * from ${view}${conditions.length === 0 ? "" : ` where ${conditions.join(" and ")}`}`,
  );
  for (const cells of statement.iterate(...under, ...(window === undefined ? [] : [window.from, window.to])))
    yield viewRowOf(view, storedRow(view, cells));
}

/**
 * Puts rows in the place of those stored, whatever these are, and then joins `changes` to what is there: one transaction.
 * To be called by the only writer, with all changes of those rows between their position and its checkpoint.
 */
export const replacingRows = (db: Database.Database): ReplaceRows => {
  const replace = db.transaction<ReplaceRows>((replacements, changes) => {
    for (const { view, key, right } of replacements) {
      const names = Object.keys(views[view].key);
      if (key.length !== names.length) throw new Error(`a key of ${view} has ${names.length} parts`);
      db.prepare(`delete from ${view} where ${names.map((name) => `${name} = ?`).join(" and ")}`).run(...key);
      if (right === undefined) continue;
      const row = { ...right, raised: { ...right.raised }, registers: { ...right.registers } };
      db.prepare(upsertOf(view)).run(binderOf(view)(row));
    }
    for (const [view, rows] of foldChanges(changes))
      for (const row of rows) db.prepare(upsertOf(view)).run(binderOf(view)(row));
  });
  return (replacements, changes) => {
    replace.immediate(replacements, changes);
  };
};

export type ReplaceRows = (
  replacements: readonly Pick<Replacement, "view" | "key" | "right">[],
  changes: readonly ViewChange[],
) => void;

/** How far the file's views have come; undefined before the first event. */
export const checkpointIn = (db: Database.Database): Checkpoint | undefined =>
  db.prepare<[], Checkpoint>("select position, epoch from checkpoint").get();

/**
 * A file of views opened to read its rows, beside its writer or without one.
 * @throws ViewsOfAnotherVersion for the form of another version
 */
export const openStoredRows = (path: string): { readonly stored: StoredRows; readonly close: () => void } => {
  const db = openToRead(path);
  try {
    refuseOtherVersion(db, path);
  } catch (error) {
    db.close();
    throw error;
  }
  return {
    stored: storedRowsOf(db),
    close: () => {
      db.close();
    },
  };
};

/** @throws ViewsOfAnotherVersion */
export const refuseOtherVersion = (db: Database.Database, path: string): void => {
  const version = db.pragma("user_version", { simple: true }) as number;
  if (version !== viewsVersion) throw new ViewsOfAnotherVersion(path, version);
};

export class ViewsOfAnotherVersion extends Error {
  constructor(path: string, version: number) {
    super(
      `${path} has views of version ${version}, and this Parley makes version ${viewsVersion}: use the Parley that made it, or start this one, which builds them again`,
    );
    this.name = "ViewsOfAnotherVersion";
  }
}
