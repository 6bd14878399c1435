/** The ledger of the distributed profile: a document for each user, in a database that is none of Parley's views and keys. */
import { byOperatorCodec } from "../../domain/kernel/by.js";
import { t } from "../../domain/kernel/fp.js";
import type { UserId } from "../../domain/kernel/ids.js";
import { reachable, type Mongo } from "../../infra/engines/mongodb/connection.js";
import { certificateCodec, type KnownErasure, type Ledger } from "./ledger.js";

const erasureCodec = t.intersection([
  t.type({ _id: t.string, at: t.number, by: byOperatorCodec, reason: t.string, keys: t.array(t.string) }),
  t.partial({ certificate: certificateCodec }),
]);
type ErasureDocument = Readonly<t.TypeOf<typeof erasureCodec>>;

/** Some hundred bytes to some kilobytes each. */
const erasuresOfPage = 200;
const duplicateKey = 11_000;

/** Reads and writes by majority: what a fail-over takes back would bring a person back. */
const collectionOf = (db: Mongo["db"]) =>
  db.collection<ErasureDocument>("erasures", {
    readPreference: "primary",
    readConcern: { level: "majority" },
    writeConcern: { w: "majority", journal: true },
  });

/** Rejects with StoreUnavailable when MongoDB does not answer. */
export const openMongoLedger = (db: Mongo["db"]): Ledger => {
  const erasures = collectionOf(db);
  const update = async (userId: UserId, change: object): Promise<void> => {
    await reachable(() => erasures.updateOne({ _id: userId }, change));
  };
  const find = async (userId: UserId): Promise<KnownErasure | undefined> => {
    const found = await reachable(() => erasures.findOne({ _id: userId }));
    return found === null ? undefined : erasureIn(db, found);
  };
  return {
    find,
    pages: async function* () {
      for (let after = ""; ;) {
        const from = after;
        const page = await reachable(() =>
          erasures.find({ _id: { $gt: from } }, { sort: { _id: 1 }, limit: erasuresOfPage }).toArray(),
        );
        if (page.length > 0) yield page.map((found) => erasureIn(db, found));
        const last = page.at(-1);
        if (last === undefined || page.length < erasuresOfPage) return;
        after = last._id;
      }
    },
    begin: ({ userId, at, by, reason }) =>
      reachable(async () => {
        await erasures
          .updateOne({ _id: userId }, { $setOnInsert: { at, by, reason, keys: [] } }, { upsert: true })
          // Another operator at the same moment: the other one's stands.
          .catch((error: unknown) => {
            if ((error as { readonly code?: unknown }).code !== duplicateKey) throw error;
          });
      }),
    destroying: (userId, keys) => update(userId, { $addToSet: { keys: { $each: [...keys] } } }),
    finish: async (userId, certificate, replaced) => {
      const known = replaced === undefined ? { $exists: false } : replaced.signature;
      await reachable(() =>
        erasures.updateOne({ _id: userId, "certificate.signature": known }, { $set: { certificate } }),
      );
      const stands = (await find(userId))?.certificate;
      if (stands === undefined) throw new Error(`the erasure ledger has lost ${userId}: run it again`);
      return stands;
    },
  };
};

const erasureIn = ({ databaseName }: Mongo["db"], found: unknown): KnownErasure => {
  const { _id: id } = found as { readonly _id: unknown };
  if (!erasureCodec.is(found))
    throw new Error(`the erasure ledger (MongoDB's database ${databaseName}): ${String(id)} is no entry of one`);
  const { _id: userId, ...erasure } = found;
  return { userId, ...erasure };
};
