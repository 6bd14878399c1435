/** The collection `keys`: one document a key, which is never changed, only deleted. */
import { randomBytes } from "node:crypto";
import { Binary, MongoBulkWriteError, type AnyBulkWriteOperation, type Collection, type Db } from "mongodb";
import { erasedMarkOf, keysOfUser, ownerOf } from "../../../domain/kernel/users-keys.js";
import { byBytes } from "../../engines/by-bytes.js";
import { reachable } from "../../engines/mongodb/connection.js";
import { StoreUnavailable } from "../../../projections/ports/away.js";
import { keyBytes, requireMasterKeys, unwrap, wrap, WrongMasterKey, type MasterKeys } from "../wrapping.js";

export type KeyDocument = {
  readonly _id: string;
  readonly wrapped: Binary;
  readonly alg: "A256GCM";
  readonly createdAt: Date;
};
export type Wrapped = ReadonlyMap<string, Uint8Array>;

export type KeyDocuments = {
  /** Those that exist, still wrapped. @throws StoreUnavailable */
  readonly find: (ids: readonly string[]) => Promise<Wrapped>;
  /** All of them but those of users who were erased; those that are new are on the disks of a majority. A key is made by the first process that asks. @throws StoreUnavailable */
  readonly obtain: (ids: readonly string[]) => Promise<Wrapped>;
  /** The mark of a user of whom none is made any more. @returns the ids of those that are there. @throws StoreUnavailable */
  readonly condemn: (userId: string) => Promise<readonly string[]>;
  /** On the disks of a majority when it resolves. @returns the ids of those that were there. @throws StoreUnavailable */
  readonly destroy: (userId: string) => Promise<readonly string[]>;
  /** @throws StoreUnavailable */
  readonly isErased: (userId: string) => Promise<boolean>;
};

/** Longer than any healthy answer takes: a caller that waits has a message to seal. */
const answerWithinMs = 2_000;
const racesMax = 5;
const duplicateKey = 11_000;

/** Reads and writes by majority: a key that a fail-over takes back has sealed events that never open again. */
export const collectionOf = (db: Db): Collection<KeyDocument> =>
  db.collection<KeyDocument>("keys", {
    readPreference: "primary",
    readConcern: { level: "majority" },
    writeConcern: { w: "majority", journal: true },
    timeoutMS: answerWithinMs,
  });

export const createKeyDocuments = (db: Db, masterKeys: MasterKeys): KeyDocuments => {
  const keys = collectionOf(db);
  const find = (ids: readonly string[]): Promise<Wrapped> =>
    reachable(async () => {
      const found = await keys.find({ _id: { $in: [...ids] } }, { projection: { wrapped: 1 } }).toArray();
      return new Map(found.map(({ _id, wrapped }) => [_id, wrapped.value()]));
    });
  const obtain = async (ids: readonly string[]): Promise<Wrapped> => {
    // Mostly they are there already, and a read costs no disk.
    let found = await find(ids);
    for (let races = 0; found.size < ids.length; races += 1) {
      if (races === racesMax) throw new StoreUnavailable("MongoDB: keys vanish as soon as they are made");
      const missing = await withoutErased(ids.filter((id) => !found.has(id)));
      if (missing.length === 0) break;
      const made = missing.map((id) => newKey(masterKeys, id));
      await reachable(() => insertAbsent(keys, made));
      // Another process may have been first: what is stored counts, not what was made here.
      found = new Map([...found, ...(await findMade(missing))]);
    }
    return found;
  };
  const idsOf = async (userId: string): Promise<readonly string[]> => {
    const there = await reachable(() => keys.find({ $or: rangesOf(userId) }, { projection: { _id: 1 } }).toArray());
    return there.map(({ _id }) => _id);
  };
  /** A process that looked for the mark before it was there may make one key yet: `destroy` deletes it as well. */
  const condemn = async (userId: string): Promise<readonly string[]> => {
    await reachable(() => insertAbsent(keys, [newKey(masterKeys, erasedMarkOf(userId))]));
    return idsOf(userId);
  };
  const destroy = async (userId: string): Promise<readonly string[]> => {
    const ids = await condemn(userId);
    await reachable(() => keys.deleteMany({ $or: rangesOf(userId) }));
    return ids;
  };
  const isErased = async (userId: string): Promise<boolean> =>
    (await find([erasedMarkOf(userId)])).size > 0 && (await idsOf(userId)).length === 0;
  const withoutErased = async (ids: readonly string[]): Promise<readonly string[]> => {
    const marks = marksOf(ids);
    if (marks.length === 0) return ids;
    const marked = await find(marks);
    return ids.filter((id) => !isErasedBy(marked, id));
  };
  /**
   * Those that were put just now. A destroyer whose deletion had passed when they came did not see them, but its mark was
   * there before it: what is of a user who was erased meanwhile goes again, and nobody has had it.
   */
  const findMade = async (ids: readonly string[]): Promise<Wrapped> => {
    const stored = await find([...ids, ...marksOf(ids)]);
    const late = ids.filter((id) => isErasedBy(stored, id));
    if (late.length > 0) await reachable(() => keys.deleteMany({ _id: { $in: late } }));
    const isLate = new Set(late);
    return new Map([...stored].filter(([id]) => !id.startsWith("#erased/") && !isLate.has(id)));
  };
  return { find, obtain, condemn, destroy, isErased };
};

const rangesOf = (userId: string) => keysOfUser(userId).map(({ from, to }) => ({ _id: { $gte: from, $lt: to } }));

const marksOf = (ids: readonly string[]): readonly string[] => [
  ...new Set(
    ids
      .map(ownerOf)
      .filter((owner) => owner !== undefined)
      .map(erasedMarkOf),
  ),
];

const isErasedBy = (marked: Wrapped, id: string): boolean => {
  const owner = ownerOf(id);
  return owner !== undefined && marked.has(erasedMarkOf(owner));
};

const newKey = (masterKeys: MasterKeys, id: string): KeyDocument => ({
  _id: id,
  wrapped: new Binary(wrap(masterKeys, id, randomBytes(keyBytes))),
  alg: "A256GCM",
  createdAt: new Date(),
});

/**
 * By `_id`, as every other process has them: two that make the same keys in other orders would wait for each other.
 *
 * An upsert that finds the document waits until a majority has it, which a refused insert would not: what is read
 * afterwards by majority is there.
 */
export const insertAbsent = async (keys: Collection<KeyDocument>, documents: readonly KeyDocument[]): Promise<void> => {
  const operations = documents
    .toSorted((a, b) => byBytes(a._id, b._id))
    .map(({ _id, ...rest }): AnyBulkWriteOperation<KeyDocument> => {
      return { updateOne: { filter: { _id }, update: { $setOnInsert: rest }, upsert: true } };
    });
  try {
    await keys.bulkWrite(operations, { ordered: false });
  } catch (error) {
    // Two first upserts of one id at the same moment: the loser comes again and finds the winner's.
    if (!isRace(error)) throw error;
  }
};

const isRace = (error: unknown): boolean => {
  if (!(error instanceof MongoBulkWriteError)) return false;
  const errors = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors];
  return errors.length > 0 && errors.every(({ code }) => code === duplicateKey);
};

/** No data key has this name: theirs begin with what they belong to. */
export const masterKeySentinel = "#master-key";

/**
 * Checks at start that this is the master key of this database: a process with another one would read nothing, and
 * would make keys that the others cannot open. The first process of a database leaves the mark.
 *
 * @throws WrongMasterKey when it is another one
 * @throws StoreUnavailable when MongoDB cannot be asked
 * @throws Error when it has not 32 bytes
 */
export const assertMasterKey = async (db: Db, masterKeys: MasterKeys): Promise<void> => {
  const documents = createKeyDocuments(db, requireMasterKeys(masterKeys));
  if (!(await documents.find([masterKeySentinel])).has(masterKeySentinel)) {
    // Keys without a mark: of a restore, perhaps. A mark made now must not declare the wrong one right.
    const other = await reachable(() => collectionOf(db).findOne({}));
    if (other !== null) unwrap(masterKeys, other._id, other.wrapped.value());
  }
  const sentinel = (await documents.obtain([masterKeySentinel])).get(masterKeySentinel);
  if (sentinel === undefined) throw new WrongMasterKey(masterKeySentinel);
  unwrap(masterKeys, masterKeySentinel, sentinel);
};
