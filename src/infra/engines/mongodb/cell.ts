/** The collection `cell`: one document, which says whose database this is. It is written once. */
import type { Db } from "mongodb";
import { reachable } from "./connection.js";

const cellId = "cell";
const duplicateKey = 11_000;

const collectionOf = (db: Db) =>
  // `home`, as in events: what a cell was called when they were first written.
  db.collection<{ readonly _id: string; readonly home: string }>("cell", {
    readPreference: "primary",
    readConcern: { level: "majority" },
    writeConcern: { w: "majority", journal: true },
  });

/** Undefined before the first start. @throws StoreUnavailable */
export const cellOfDatabase = async (db: Db): Promise<string | undefined> =>
  (await reachable(() => collectionOf(db).findOne({ _id: cellId })))?.home;

/** The cell that this database is of: `cell`, where none was before. @throws StoreUnavailable */
export const rememberedCell = async (db: Db, cell: string): Promise<string> => {
  await reachable(() =>
    collectionOf(db)
      .updateOne({ _id: cellId }, { $setOnInsert: { home: cell } }, { upsert: true })
      // Two first starts at the same moment: the other one's counts.
      .catch((error: unknown) => {
        if ((error as { readonly code?: unknown }).code !== duplicateKey) throw error;
      }),
  );
  return (await cellOfDatabase(db)) ?? cell;
};
