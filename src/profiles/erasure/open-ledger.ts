import type { EventLog } from "../../commands/ports.js";
import { decodeEvent } from "../../domain/catalogue.js";
import { streamOf } from "../../domain/kernel/stream.js";
import { streamEvents } from "../../domain/kernel/stream-pages.js";
import { openMongo, reachable, type Mongo } from "../../infra/engines/mongodb/connection.js";
import type { DistributedConfig } from "../../settings/distributed.js";
import type { Ledger } from "./ledger.js";
import { openMongoLedger } from "./ledger-mongodb.js";

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

/** A restored log has its first epochs; an imported one says of which it is. */
const requireSameLog = async (db: Mongo["db"], log: Pick<EventLog, "readStream">): Promise<void> => {
  const logs = db.collection<Logs>("logs", {
    readPreference: "primary",
    readConcern: { level: "majority" },
    writeConcern: { w: "majority", journal: true },
  });
  const epochs = await epochsOf(log);
  const known = (await reachable(() => logs.findOne({ _id: logId })))?.epochs;
  if (known !== undefined && !known.some((epoch) => epochs.includes(epoch)))
    throw new LedgerOfAnotherLog(db.databaseName);
  if (known !== undefined && epochs.every((epoch) => known.includes(epoch))) return;
  await reachable(async () => {
    await logs
      .updateOne({ _id: logId }, { $addToSet: { epochs: { $each: epochs } } }, { upsert: true })
      // Another process starts at the same moment, and says the same.
      .catch((error: unknown) => {
        if ((error as { readonly code?: unknown }).code !== duplicateKey) throw error;
      });
  });
};

/** One for each restore and import, and those that they name as before. */
const epochsOf = async (log: Pick<EventLog, "readStream">): Promise<string[]> => {
  const epochs = new Set<string>();
  for await (const recorded of streamEvents(log, streamOf.log)) {
    const event = decodeEvent(recorded);
    if (event.type !== "LogStarted") continue;
    epochs.add(event.epoch);
    if (typeof event.previous?.epoch === "string") epochs.add(event.previous.epoch);
  }
  return [...epochs];
};
