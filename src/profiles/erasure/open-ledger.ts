import type { EventLog } from "../../commands/ports.js";
import { openMongo, reachable, type Mongo } from "../../infra/engines/mongodb/connection.js";
import type { DistributedConfig } from "../../settings/distributed.js";
import type { Ledger } from "./ledger.js";
import { openMongoLedger } from "./ledger-mongodb.js";
import { epochsOf, isOfSameLog } from "./lineage.js";

export type OpenedLedger = { readonly ledger: Ledger; readonly close: () => Promise<void> };

/**
 * @param shared Parley's own database, whose connections are used where the ledger lies on the same server
 * @throws (rejects) LedgerOfAnotherLog, StoreUnavailable, and what the server refuses
 */
export const openErasureLedger = async (
  { mongo, erasureLedger }: Pick<DistributedConfig, "mongo" | "erasureLedger">,
  shared: Mongo["db"],
  log: Pick<EventLog, "readStream">,
): Promise<OpenedLedger> => {
  const own = erasureLedger.url === mongo.url ? undefined : await openMongo(erasureLedger);
  const close = own?.close ?? (() => Promise.resolve());
  try {
    const db = own?.db ?? shared.client.db(erasureLedger.database);
    await requireSameLog(db, log);
    return { ledger: openMongoLedger(db), close };
  } catch (error) {
    await close();
    throw error;
  }
};

/** It would erase people here who were erased there. */
export class LedgerOfAnotherLog extends Error {
  constructor(database: string) {
    super(
      `the erasure ledger in MongoDB's database ${database} is of another log, which has no epoch in common with this one: name this log's own (PARLEY_ERASURE_LEDGER), or a database that is not there yet`,
    );
    this.name = "LedgerOfAnotherLog";
  }
}

type Logs = { readonly _id: string; readonly epochs: readonly string[] };
const logId = "log";
const duplicateKey = 11_000;

/** One database is one log's. */
const requireSameLog = async (db: Mongo["db"], log: Pick<EventLog, "readStream">): Promise<void> => {
  const logs = db.collection<Logs>("logs", {
    readPreference: "primary",
    readConcern: { level: "majority" },
    writeConcern: { w: "majority", journal: true },
  });
  const epochs = await epochsOf(log);
  const known = (await reachable(() => logs.findOne({ _id: logId })))?.epochs;
  if (!isOfSameLog(known, epochs)) throw new LedgerOfAnotherLog(db.databaseName);
  if (known !== undefined && epochs.every((epoch) => known.includes(epoch))) return;
  await reachable(async () => {
    await logs
      .updateOne({ _id: logId }, { $addToSet: { epochs: { $each: [...epochs] } } }, { upsert: true })
      // Another process starts at the same moment, and says the same.
      .catch((error: unknown) => {
        if ((error as { readonly code?: unknown }).code !== duplicateKey) throw error;
      });
  });
};
