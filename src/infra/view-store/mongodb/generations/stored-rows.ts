import type { Db, Document } from "mongodb";
import type { StoredRow } from "../../../../projections/ports/generations.js";
import { views } from "../../../../projections/registry.js";
import type { Key, Value, Versioned, ViewName } from "../../../../projections/view-change.js";
import { byBytes } from "../../../engines/by-bytes.js";
import { reachable } from "../../../engines/mongodb/connection.js";
import { collectionOf, idOf } from "../documents.js";

/** The rows of one generation as they are stored. All reject with StoreUnavailable while MongoDB is away. */
export const storedRowsOf = (db: Db, generation: number) => {
  const of = (view: ViewName) =>
    db.collection<{ readonly _id: string } & Document>(collectionOf(view, generation), {
      readConcern: { level: "majority" },
      readPreference: "primary",
    });
  return {
    rows: (view: ViewName, { after, limit }: { readonly after?: Key; readonly limit: number }) =>
      reachable(async () => {
        const beyond = after === undefined ? {} : { _id: { $gt: idOf(...after) } };
        const found = await of(view).find(beyond).sort({ _id: 1 }).limit(limit).toArray();
        return found.map((row) => storedRowOf(view, row));
      }),
    rowsAt: (view: ViewName, keys: readonly Key[]) =>
      reachable(async () => {
        const ids = keys.map((key) => idOf(...key));
        const found = await of(view)
          .find({ _id: { $in: ids } })
          .toArray();
        return found.map((row) => storedRowOf(view, row));
      }),
    compare: (_view: ViewName, a: Key, b: Key): number => byBytes(idOf(...a), idOf(...b)),
  };
};

/** A fact that versions before did not write is null, as it is for readers; a row without its facts has none of them. */
const storedRowOf = (view: ViewName, row: Document): StoredRow => {
  const fields = views[view];
  const hasFacts = Object.keys(fields.facts).some((name) => name in row);
  const facts = hasFacts
    ? Object.fromEntries(Object.keys(fields.facts).map((name) => [name, (row[name] ?? null) as Value]))
    : {};
  const raised = fields.raised.filter((name) => name in row).map((name) => [name, row[name] as number]);
  const registers = Object.keys(fields.registers)
    .filter((name) => name in row)
    .map((name) => [name, registerOf(row[name] as { readonly v: number; readonly x: Value })]);
  return {
    key: Object.keys(fields.key).map((name) => row[name] as string | number),
    facts,
    raised: Object.fromEntries(raised) as Record<string, number>,
    registers: Object.fromEntries(registers) as Record<string, Versioned>,
  };
};

const registerOf = ({ v, x }: { readonly v: number; readonly x: Value }): Versioned => ({ version: v, value: x });
