import type { Db } from "mongodb";
import type { ViewName } from "../../../../projections/view-change.js";
import { reachable } from "../../../engines/mongodb/connection.js";
import { collectionOf } from "../documents.js";

/** Rows as the engine counts them, which after a crash of it may be off by some. Bytes: of rows and indexes on disk. */
export const figuresOf = async (db: Db, view: ViewName, generation: number) => {
  const name = collectionOf(view, generation);
  const rows = await reachable(() => db.collection(name).estimatedDocumentCount());
  return { rows, bytes: await bytesOf(db, name) };
};

/** Undefined where the engine does not say: stand-ins lack the command, and a user may not be allowed to ask. */
const bytesOf = async (db: Db, name: string): Promise<number | undefined> => {
  const stats = await db.command({ collStats: name }).catch(() => undefined);
  const [stored, indexes] = [Number(stats?.storageSize), Number(stats?.totalIndexSize)];
  return Number.isFinite(stored) && Number.isFinite(indexes) ? stored + indexes : undefined;
};
