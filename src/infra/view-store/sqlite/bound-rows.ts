/** Rows as the parameters of their upserts: bound in a thread that projects, written by the one that has the file. */
import type Database from "better-sqlite3";
import type { BoundRows } from "../../../projections/ports/generations.js";
import { foldChanges, type ViewChange, type ViewName } from "../../../projections/view-change.js";
import { binderOf, columnsOf } from "./schema.js";

type Cell = BoundRows[number]["cells"][number];

/** @throws Error for a field that the registry does not list under the change's kind */
export const boundRows = (changes: readonly ViewChange[]): BoundRows =>
  [...foldChanges(changes)].map(([view, rows]) => {
    const bind = binderOf(view);
    const cells: Cell[] = [];
    for (const row of rows) for (const cell of bind(row)) cells.push(cell);
    return { view, cells };
  });

/** Runs each row's upsert. To be called inside a transaction. */
export const writeBound = (rows: BoundRows, upsertOf: (view: ViewName) => Database.Statement): void => {
  for (const { view, cells } of rows) {
    const [upsert, width] = [upsertOf(view), columnsOf(view).length];
    for (let at = 0; at < cells.length; at += width) upsert.run(cells.slice(at, at + width));
  }
};
