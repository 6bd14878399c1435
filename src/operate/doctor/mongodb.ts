import { unwrap, type MasterKeys } from "../../infra/key-store/wrapping.js";
import { cellOfDatabase } from "../../infra/engines/mongodb/cell.js";
import { openMongo, type Mongo } from "../../infra/engines/mongodb/connection.js";
import { collectionPrefix } from "../../infra/view-store/mongodb/documents.js";
import type { DistributedConfig } from "../../settings/distributed.js";
import { reasonOf } from "../../lib/errors.js";
import type { Check } from "./check.js";
import { probe, type Finding } from "./probe.js";
import { otherCell } from "./stores.js";
import type { Closers } from "../../profiles/engines.js";

export type MongoFacts = { readonly db: Mongo["db"] };

const mends = {
  away: "Start MongoDB, and check PARLEY_MONGODB_URL: hosts, replicaSet, user and password (percent-encoded), authSource",
  refused:
    "MongoDB is there and refuses us: check the user, password (percent-encoded) and authSource in PARLEY_MONGODB_URL, and that the user has readWrite on the database",
  tls: "Name the authority of its certificate in PARLEY_MONGODB_URL (tlsCAFile=FILE, which this user can read), and the host as the certificate has it; leave tls away where it speaks no TLS",
};

/** Whether it answers and takes writes as Parley writes, what it is, and whether its keys are the master key's. */
export const lookAtMongo = (
  { mongo, masterKeys, cell }: DistributedConfig,
  closers: Closers,
): Promise<Finding<MongoFacts>> =>
  probe("mongodb", mends, async () => {
    const { db, close } = await openMongo(mongo);
    closers.push(close);
    const checks = await Promise.all([checkServer(db), checkWrites(db), checkMasterKey(db, masterKeys)]);
    const known = await cellOfDatabase(db);
    return { checks: [...checks, ...(known === undefined ? [] : otherCell(known, cell))], facts: { db } };
  });

type Hello = { readonly setName?: string; readonly msg?: string; readonly ismaster?: boolean } & {
  readonly isWritablePrimary?: boolean;
};

const checkServer = async (db: Mongo["db"]): Promise<Check> => {
  const name = "mongodb";
  const [{ version }, hello] = await Promise.all([db.command({ buildInfo: 1 }), helloOf(db)]);
  const server = `version ${String(version)}, database ${db.databaseName}`;
  if (hello.isWritablePrimary !== true && hello.ismaster !== true) {
    const primary = "Name all members and the replicaSet in PARLEY_MONGODB_URL, and leave directConnection away";
    return { name, state: "wrong", says: `${server}; the member that answers takes no writes`, mend: primary };
  }
  if (hello.msg === "isdbgrid") return { name, state: "ok", says: `${server}, sharded` };
  if (hello.setName !== undefined) return { name, state: "ok", says: `${server}, replica set ${hello.setName}` };
  const set =
    "Run it as a replica set (of one member to begin with): only then is an acknowledged write safe elsewhere";
  return { name, state: "warning", says: `${server}; it is no replica set`, mend: set };
};

/** By its older name where the server does not know the new one. */
const helloOf = async (db: Mongo["db"]): Promise<Hello> => {
  try {
    return await db.command({ hello: 1 });
  } catch {
    return await db.command({ isMaster: 1 });
  }
};

/** A write that matches no document changes nothing, and is acknowledged like any other. */
const checkWrites = async (db: Mongo["db"]): Promise<Check> => {
  const name = "mongodb writes";
  const collection = `${collectionPrefix}checkpoints`;
  const known = await db.listCollections({ name: collection }).toArray();
  // Some servers would make the collection.
  if (known.length === 0) return { name, state: "ok", says: "not tried: the database has no views yet" };
  try {
    const writeConcern = { w: "majority", journal: true, wtimeoutMS: writeMsMax } as const;
    await db.collection(collection).updateMany({ doctor: "nobody" }, { $set: { doctor: "nobody" } }, { writeConcern });
    return { name, state: "ok", says: "a majority acknowledges" };
  } catch (error) {
    const members = "Bring back members of the replica set until a majority is there, and allow the user readWrite";
    return { name, state: "wrong", says: `a majority does not acknowledge: ${reasonOf(error)}`, mend: members };
  }
};

const writeMsMax = 3_000;

/** Only looked at: the first start leaves the mark that tells a wrong key. */
const checkMasterKey = async (db: Mongo["db"], masterKeys: MasterKeys): Promise<Check> => {
  const name = "master key";
  // Any key tells whether the master key is theirs. The marks have the smallest ids, and are never damaged by an erasure.
  const stored = await db
    .collection<{ readonly _id: string; readonly wrapped: { readonly value: () => Uint8Array } }>("keys")
    .findOne({}, { sort: { _id: 1 } });
  if (stored === null) return { name, state: "ok", says: "32 bytes; the database has no keys yet" };
  try {
    unwrap(masterKeys, stored._id, stored.wrapped.value());
    return { name, state: "ok", says: "it opens the database's keys" };
  } catch (error) {
    const right =
      "Set PARLEY_MASTER_KEY to the key that this database was begun with, or PARLEY_MONGODB_DATABASE to its database";
    return { name, state: "wrong", says: reasonOf(error), mend: right };
  }
};
