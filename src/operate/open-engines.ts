import { openMongo } from "../infra/engines/mongodb/connection.js";
import { openEventStoreDb, type EventStoreDbLog } from "../infra/event-log/eventstoredb/event-log.js";
import { openMongoKeyStore } from "../infra/key-store/mongodb/key-store.js";
import { treeKeysIn } from "../infra/tree-keys/key-store.js";
import { openMongoTree } from "../infra/tree-store/mongodb/tree-store.js";
import type { TreeKeys } from "../projections/ports/tree-keys.js";
import type { TreeReads } from "../projections/ports/tree-store.js";
import { reasonOf } from "../lib/errors.js";
import { within } from "../lib/time.js";
import type { Closers } from "../profiles/close-all.js";
import type { DistributedConfig } from "../settings/distributed.js";
import { closeQuietly, probeMsMax } from "./doctor/probe.js";
import type { OpenedParts } from "./target.js";

/** The distributed profile's part of `openToRead`. */
export const partsOfEngines = async (config: DistributedConfig, closers: Closers): Promise<OpenedParts> => {
  const log = await openLogOfEngines(config, closers);
  const openKeys: OpenedParts["openKeys"] = async () => {
    const { db } = await openDatabase(config, closers);
    const keys = openMongoKeyStore({ db, masterKeys: config.masterKeys });
    closers.push(keys.close);
    return keys;
  };
  return { log, openKeys };
};

/** @throws (rejects) Error that names the variable when EventStoreDB does not answer within five seconds */
export const openLogOfEngines = async (
  { eventStoreUrl: url }: Pick<DistributedConfig, "eventStoreUrl">,
  closers: Closers,
): Promise<EventStoreDbLog> => {
  const log = openEventStoreDb({ url });
  closers.push(log.close);
  try {
    await named("PARLEY_EVENTSTORE_URL", log.ping());
  } catch (error) {
    await closeQuietly(closers);
    throw error;
  }
  return log;
};

/** @throws (rejects) Error that names the variable when MongoDB does not answer within five seconds */
export const openDatabase = async (config: Pick<DistributedConfig, "mongo">, closers: Closers) => {
  const mongo = await named("PARLEY_MONGODB_URL", openMongo(config.mongo));
  closers.push(mongo.close);
  return mongo;
};

/** The hashes of the tree, which projectors keep. @throws (rejects) as `openDatabase` */
export const treeOfEngines = async (config: DistributedConfig, closers: Closers): Promise<TreeReads> =>
  openMongoTree((await openDatabase(config, closers)).db);

/** The keys that sign its heads. @throws (rejects) as `openDatabase` */
export const treeKeysOfEngines = async (config: DistributedConfig, closers: Closers): Promise<TreeKeys> => {
  const { db } = await openDatabase(config, closers);
  const keys = openMongoKeyStore({ db, masterKeys: config.masterKeys });
  closers.push(keys.close);
  return treeKeysIn(keys);
};

/** Waits five seconds, and names the variable in what it rejects with. */
export const named = async <A>(variable: string, opening: Promise<A>): Promise<A> => {
  try {
    return await within(opening, probeMsMax);
  } catch (error) {
    throw new Error(`${variable}: ${reasonOf(error)}. parley doctor --profile distributed looks at every engine`, {
      cause: error,
    });
  }
};
