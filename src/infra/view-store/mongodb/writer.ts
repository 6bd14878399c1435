import type { Db, Document } from "mongodb";
import { views } from "../../../projections/registry.js";
import { foldChanges, type RowChange, type ViewChange, type ViewName } from "../../../projections/view-change.js";
import { collectionOf, idOf } from "./documents.js";
import { byBytes } from "../../engines/by-bytes.js";
import { untilPassing } from "./retry.js";

/**
 * Rows that others point at come first: a head that says "five messages" is written when the fifth is there, and a
 * reader asks for heads and members first, so what it asks for next is there.
 */
const phases: readonly (readonly ViewName[])[] = [
  ["messages", "reactions", "memberships", "receiptSteps", "users", "devices"],
  ["members", "conversations"],
];

/**
 * Writes a batch of changes: one upsert a row, one unordered bulk a view and generation. Not atomic, and it need not be: a batch that
 * failed half-way is written again as a whole: here a few times, then by the projector that has the checkpoint before it.
 *
 * All writes are acknowledged by a majority. With less, a batch might be lost with its primary while the checkpoint is
 * written to the next one, and then the checkpoint would be ahead of the changes.
 *
 * @throws StoreUnavailable when MongoDB is away for longer than the retries
 * @throws Error for a field that the registry does not list under the change's kind; nothing is written then
 */
export const changesWriter =
  (db: Db, onProblem: (error: Error) => void) =>
  async (changes: readonly ViewChange[], generations: readonly number[]): Promise<void> => {
    const folded = foldChanges(changes);
    const operations = new Map(
      [...folded].map(([view, rows]) => [view, inOrder(rows.map((row) => upsertOf(view, row)))]),
    );
    for (const phase of phases)
      await Promise.all(
        phase.flatMap((view) => {
          const ofView = operations.get(view);
          if (ofView === undefined) return [];
          return generations.map((generation) =>
            untilPassing(() => bulkOf(db, collectionOf(view, generation), ofView), onProblem),
          );
        }),
      );
  };

type Upsert = {
  readonly updateOne: { readonly filter: { readonly _id: string }; readonly update: Document; readonly upsert: true };
};

/**
 * By `_id`, in every process: two that write the same rows in the order in which each met them wait for each other's
 * row, and a server that locks rows ends one of them only after a time-out.
 */
const inOrder = (operations: readonly Upsert[]): Upsert[] =>
  operations.toSorted((a, b) => byBytes(a.updateOne.filter._id, b.updateOne.filter._id));

const bulkOf = async (db: Db, collection: string, operations: readonly Upsert[]): Promise<void> => {
  await db
    .collection<{ readonly _id: string }>(collection)
    .bulkWrite([...operations], { ordered: false, writeConcern: { w: "majority" } });
};

/** The join of what is there with what comes. No field is in two of its operators, as no field is of two kinds. */
const upsertOf = (view: ViewName, { key, facts, raised, registers }: RowChange): Upsert => {
  const fields = views[view];
  const names = Object.keys(fields.key);
  if (key.length !== names.length) throw new Error(`a key of ${view} has ${names.length} parts`);
  const grown: Document = {};
  for (const name in raised) grown[listed(view, name, fields.raised.includes(name))] = raised[name];
  for (const name in registers) {
    const register = registers[name];
    if (register !== undefined)
      grown[listed(view, name, Object.hasOwn(fields.registers, name))] = { v: register.version, x: register.value };
  }
  for (const name in facts) listed(view, name, Object.hasOwn(fields.facts, name));
  const update: Document = { $setOnInsert: Object.fromEntries(names.map((name, index) => [name, key[index]])) };
  // MongoDB refuses an empty `$set`, and versions before 5 an empty `$max`.
  if (Object.keys(facts).length > 0) update.$set = facts;
  if (Object.keys(grown).length > 0) update.$max = grown;
  return { updateOne: { filter: { _id: idOf(...key) }, update, upsert: true } };
};

const listed = (view: ViewName, name: string, known: boolean): string => {
  if (!known) throw new Error(`the registry does not list ${view}.${name} as the change used it`);
  return name;
};
