import type { Db } from "mongodb";
import { views } from "../../../../projections/registry.js";
import type { ViewName } from "../../../../projections/view-change.js";
import { reachable } from "../../../engines/mongodb/connection.js";
import { collectionOf } from "../documents.js";
import type { Pointer } from "./pointer.js";

const viewNames = Object.keys(views) as readonly ViewName[];

/**
 * Removes the rows of generations that the pointer does not have, also what a process wrote that slept while one was
 * dropped. Other layouts of before lie under other names, and stay.
 */
export const sweep = async (db: Db, { entries }: Pointer): Promise<void> => {
  const known = new Set(entries.flatMap(({ number }) => viewNames.map((view) => collectionOf(view, number))));
  const stored = await reachable(() => db.listCollections({}, { nameOnly: true }).toArray());
  for (const { name } of stored)
    if (isOfGeneration(name) && !known.has(name)) await reachable(() => db.collection(name).drop());
};

const isOfGeneration = (name: string): boolean =>
  viewNames.some((view) => name === collectionOf(view) || name.startsWith(`${collectionOf(view)}__g`));
