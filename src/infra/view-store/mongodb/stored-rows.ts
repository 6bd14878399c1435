import type { Db, Document, Filter } from "mongodb";
import { noPosition } from "../../../domain/kernel/stream.js";
import {
  presentFacts,
  type Replacement,
  type RowsAsked,
  type ViewRow,
  type StoredRows,
} from "../../../projections/ports/stored-rows.js";
import { views } from "../../../projections/registry.js";
import type { Key, Value, ViewName } from "../../../projections/view-change.js";
import { reachable } from "../../engines/mongodb/connection.js";
import { smallestCheckpoint, type Checkpoints } from "./checkpoints.js";
import { afterAll, collectionOf, idOf, idsUnder } from "./documents.js";
import { firstGeneration } from "./generations/pointer.js";

type Row = { readonly _id: string } & Readonly<Record<string, unknown>>;

const collectionIn = (db: Db, view: ViewName, generation: number) =>
  db.collection<Row>(collectionOf(view, generation), {
    readConcern: { level: "majority" },
    readPreference: "primary",
    writeConcern: { w: "majority" },
  });

/**
 * Rows of a generation as they lie there, for those who look for what is wrong with them. There is no one moment of them.
 * @param checkpoints of that generation
 */
export const storedRowsIn = (
  db: Db,
  checkpoints: Pick<Checkpoints, "load">,
  generation = firstGeneration,
): StoredRows => ({
  reached: async () => smallestCheckpoint(await checkpoints.load())?.position ?? noPosition,
  read: async (asked) => {
    const rows: ViewRow[] = [];
    for (const each of asked)
      for (const found of await reachable(() => collectionIn(db, each.view, generation).find(filterOf(each)).toArray()))
        rows.push(storedRowOf(each.view, found));
    return { rows, exactlyAt: undefined };
  },
});

const filterOf = ({ view, under, window }: RowsAsked): Filter<Row> => {
  if (under.length === 0) return {};
  if (under.length === Object.keys(views[view].key).length) return { _id: idOf(...under) };
  if (window === undefined) return { _id: idsUnder(...under) };
  if (view === "receiptSteps") return { _id: idsUnder(...under), upTo: { $gte: window.from, $lte: window.to } };
  const ends = { $gte: idOf(...under, window.from), $lt: afterAll(...under, window.to) };
  return { _id: ends };
};

type Stored = { readonly v: number; readonly x: Value };

/** A document in the form that all stores share. */
export const storedRowOf = (view: ViewName, found: Readonly<Record<string, unknown>>): ViewRow => {
  const { key, facts, raised, registers } = views[view];
  const present = (names: readonly string[]) => names.filter((name) => found[name] !== undefined);
  const plain = <A>(names: readonly string[]) =>
    Object.fromEntries(present(names).map((name) => [name, found[name] as A]));
  return {
    view,
    key: Object.keys(key).map((name) => found[name] as string | number),
    facts: presentFacts(plain<Value>(Object.keys(facts))),
    raised: plain<number>(raised),
    registers: Object.fromEntries(
      present(Object.keys(registers)).map((name) => {
        const { v, x } = found[name] as Stored;
        return [name, { version: v, value: x }];
      }),
    ),
  };
};

/**
 * Puts what is right in the place of what was read, if that is still there: projectors write beside it. Of a row that is
 * there only its wrong fields are compared and replaced, so that one which moves all the time can be put right. What
 * projectors wrote before it without an effect, because what stood there was too high, is for the caller to join again.
 * @returns false when another value is there by now; nothing is written then
 */
export const replaceRow = async (
  db: Db,
  { view, key, stored, right, fields }: Replacement,
  generation = firstGeneration,
): Promise<boolean> => {
  const collection = collectionIn(db, view, generation);
  if (stored === undefined) {
    if (right === undefined) return true;
    const document = documentOf(right);
    const { upsertedCount } = await collection.updateOne(
      { _id: idOf(...key) },
      { $setOnInsert: document },
      { upsert: true },
    );
    return upsertedCount === 1;
  }
  if (right === undefined) return (await collection.deleteOne(asReadFilter(stored))).deletedCount === 1;
  if (fields === undefined)
    return (await collection.replaceOne(asReadFilter(stored), documentOf(right))).matchedCount === 1;
  const wrong = new Set(fields.map(({ field }) => field));
  const { matchedCount } = await collection.updateOne(asReadFilter(stored, wrong), settingOf(right, wrong));
  return matchedCount === 1;
};

/** Facts come together, so all are written where one is wrong. */
const settingOf = (right: ViewRow, wrong: ReadonlySet<string>): Document => {
  const facts = Object.keys(views[right.view].facts);
  const written = new Set([...wrong, ...(facts.some((name) => wrong.has(name)) ? facts : [])]);
  const document = documentOf(right);
  const set: Document = {};
  const unset: Document = {};
  for (const name of written) {
    if (document[name] === undefined) unset[name] = "";
    else set[name] = document[name] as unknown;
  }
  return {
    ...(Object.keys(set).length === 0 ? {} : { $set: set }),
    ...(Object.keys(unset).length === 0 ? {} : { $unset: unset }),
  };
};

/** @param only the fields that have to be as they were read; omitted: all */
const asReadFilter = ({ view, key, facts, raised, registers }: ViewRow, only?: ReadonlySet<string>): Filter<Row> => {
  const fields = views[view];
  const isAsked = (name: string): boolean => only?.has(name) !== false;
  const filter: Document = { _id: idOf(...key) };
  for (const name of Object.keys(fields.facts).filter(isAsked)) filter[name] = facts[name] ?? null;
  for (const name of fields.raised.filter(isAsked)) filter[name] = raised[name] ?? { $exists: false };
  for (const name of Object.keys(fields.registers).filter(isAsked)) {
    const register = registers[name];
    filter[name] = register === undefined ? { $exists: false } : { v: register.version, x: register.value };
  }
  return filter;
};

/** As the writer's upserts make it: facts without a value are null where the others are. */
const documentOf = ({ view, key, facts, raised, registers }: ViewRow): Document => {
  const fields = views[view];
  const hasFacts = Object.keys(facts).length > 0;
  return {
    ...namedKey(view, key),
    ...(hasFacts ? Object.fromEntries(Object.keys(fields.facts).map((name) => [name, facts[name] ?? null])) : {}),
    ...raised,
    ...Object.fromEntries(
      Object.entries(registers).map(([name, { version, value }]) => [name, { v: version, x: value }]),
    ),
  };
};

const namedKey = (view: ViewName, key: Key): Document =>
  Object.fromEntries(Object.keys(views[view].key).map((name, index) => [name, key[index]]));
