import { Binary, type Db } from "mongodb";
import { reachable } from "../../engines/mongodb/connection.js";
import { storedKeysPage, type StoredKey, type StoredKeys } from "../stored-keys.js";
import { isWrappedByFirst, unwrap, wrap, type MasterKeys } from "../wrapping.js";
import { collectionOf, insertAbsent, masterKeySentinel, type KeyDocument } from "./documents.js";

/** The connection is its opener's to close. */
export const storedMongoKeys = (db: Db, masterKeys: MasterKeys): Omit<StoredKeys, "close"> => {
  const keys = collectionOf(db);
  const documentOf = ({ id, key }: StoredKey): KeyDocument => ({
    ...{ _id: id, alg: "A256GCM", createdAt: new Date() },
    wrapped: new Binary(wrap(masterKeys, id, key)),
  });
  const find = (ids: readonly string[]) => reachable(() => keys.find({ _id: { $in: [...ids] } }).toArray());
  const opened = ({ _id, wrapped }: KeyDocument): Buffer => unwrap(masterKeys, _id, wrapped.value());
  const add = async (all: readonly StoredKey[]): Promise<number> => {
    const known = new Set((await find(all.map(({ id }) => id))).map(({ _id }) => _id));
    const absent = all.filter(({ id }) => !known.has(id));
    if (absent.length > 0) await reachable(() => insertAbsent(keys, absent.map(documentOf)));
    return absent.length;
  };
  return {
    pages: async function* () {
      for await (const page of documentPages(db))
        yield page
          .filter(({ _id }) => _id !== masterKeySentinel)
          .map((found) => ({ id: found._id, key: opened(found) }));
    },
    count: () => reachable(() => keys.countDocuments({ _id: { $ne: masterKeySentinel } })),
    find: async (ids) => new Map((await find(ids)).map((found) => [found._id, opened(found)])),
    add,
    // Those that come first are there before what they replace goes: a crash in between leaves both.
    replace: async (away, all) => {
      const staying = new Set(all.map(({ id }) => id));
      for (const document of all.map(documentOf))
        await reachable(() => keys.replaceOne({ _id: document._id }, document, { upsert: true }));
      const gone = away.filter((id) => !staying.has(id));
      await reachable(() => keys.deleteMany({ _id: { $in: gone } }));
    },
  };
};

/**
 * Wraps with the first master key what another one has wrapped, while processes that have both go on. A document that
 * was deleted meanwhile stays so.
 * @returns how many were wrapped anew
 */
export const rewrapMongoKeys = async (
  db: Db,
  masterKeys: MasterKeys,
  onProgress: (looked: number) => void,
): Promise<number> => {
  const keys = collectionOf(db);
  let [looked, rewrapped] = [0, 0];
  for await (const page of documentPages(db)) {
    const older = page.filter(({ _id, wrapped }) => !isWrappedByFirst(masterKeys, _id, wrapped.value()));
    for (const { _id, wrapped } of older) {
      const key = unwrap(masterKeys, _id, wrapped.value());
      const change = { $set: { wrapped: new Binary(wrap(masterKeys, _id, key)) } };
      rewrapped += (await reachable(() => keys.updateOne({ _id, wrapped }, change))).modifiedCount;
    }
    looked += page.length;
    onProgress(looked);
  }
  return rewrapped;
};

async function* documentPages(db: Db): AsyncGenerator<readonly KeyDocument[]> {
  const keys = collectionOf(db);
  for (let after = ""; ;) {
    const from = after;
    const page = await reachable(() =>
      keys.find({ _id: { $gt: from } }, { sort: { _id: 1 }, limit: storedKeysPage }).toArray(),
    );
    if (page.length > 0) yield page;
    const last = page.at(-1);
    if (last === undefined || page.length < storedKeysPage) return;
    after = last._id;
  }
}
