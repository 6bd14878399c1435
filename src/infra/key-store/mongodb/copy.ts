/** The keys' documents as they are stored, still wrapped, for a backup and from one. */
import { BSON, MongoBulkWriteError, type Db, type Document } from "mongodb";
import type { UserId } from "../../../domain/kernel/ids.js";
import { erasedMarkOf, ownerOf } from "../../../domain/kernel/users-keys.js";
import { reachable } from "../../engines/mongodb/connection.js";

const documentsOfBatch = 500;

/** As a majority has them: what is read now is there after a fail-over. */
const collectionOf = (db: Db) =>
  db.collection<Document & { readonly _id: string }>("keys", {
    readPreference: "primary",
    readConcern: { level: "majority" },
    writeConcern: { w: "majority", journal: true },
  });

/** Each document as a line of MongoDB's extended JSON, in batches. @throws StoreUnavailable */
export async function* storedKeys(db: Db): AsyncGenerator<readonly string[]> {
  let after: string | undefined;
  for (;;) {
    const filter = after === undefined ? {} : { _id: { $gt: after } };
    const page = await reachable(() =>
      collectionOf(db).find(filter).sort({ _id: 1 }).limit(documentsOfBatch).toArray(),
    );
    if (page.length > 0) yield page.map((document) => BSON.EJSON.stringify(document, { relaxed: false }));
    if (page.length < documentsOfBatch) return;
    after = page.at(-1)?._id;
  }
}

/** `leftOut`: of users who were erased. */
export type PutBack = { readonly put: number; readonly leftOut: number };

/**
 * Puts back those that are not there; what is there stays as it is. Keys of users who are marked as erased, or whom
 * `erasedAmong` names, stay away. @throws StoreUnavailable
 */
export const putBackKeys = async (
  db: Db,
  lines: readonly string[],
  erasedAmong: (users: readonly UserId[]) => Promise<ReadonlySet<UserId>>,
): Promise<PutBack> => {
  const documents = lines.map(
    (line) => BSON.EJSON.parse(line, { relaxed: false }) as Document & { readonly _id: string },
  );
  const owners = [...new Set(documents.map(({ _id }) => ownerOf(_id)).filter((owner) => owner !== undefined))];
  const marks = await reachable(() =>
    collectionOf(db)
      .find({ _id: { $in: owners.map(erasedMarkOf) } }, { projection: { _id: 1 } })
      .toArray(),
  );
  const [marked, named] = [new Set(marks.map(({ _id }) => _id)), await erasedAmong(owners)];
  const wanted = documents.filter(({ _id }) => {
    const owner = ownerOf(_id);
    return owner === undefined || !(named.has(owner) || marked.has(erasedMarkOf(owner)));
  });
  const put = await insertDocuments(db, wanted);
  return { put, leftOut: documents.length - wanted.length };
};

const insertDocuments = async (
  db: Db,
  documents: readonly (Document & { readonly _id: string })[],
): Promise<number> => {
  const operations = documents.map(({ _id, ...rest }) => {
    return { updateOne: { filter: { _id }, update: { $setOnInsert: rest }, upsert: true } };
  });
  if (operations.length === 0) return 0;
  return reachable(async () => {
    try {
      const { upsertedCount } = await collectionOf(db).bulkWrite(operations, { ordered: false });
      return upsertedCount;
    } catch (error) {
      throw error instanceof MongoBulkWriteError ? new Error(`MongoDB: ${error.message}`, { cause: error }) : error;
    }
  });
};

/**
 * Takes the store's incarnations away: the next process makes another one. Under those before, keys may have been made that
 * are lost, and none may be made anew with their names. @throws StoreUnavailable
 */
export const forgetIncarnations = (db: Db): Promise<void> =>
  reachable(async () => {
    await collectionOf(db).deleteMany({ _id: { $regex: "^#incarnation" } });
  });
