/** The distributed profile's part of `openToWrite`. */
import type { Mongo } from "../infra/engines/mongodb/connection.js";
import type { EventStoreDbLog } from "../infra/event-log/eventstoredb/event-log.js";
import { closeAll, closedAfter, type Closers } from "../profiles/close-all.js";
import type { DistributedConfig } from "../settings/distributed.js";
import { openDatabase, openLogOfEngines } from "./open-engines.js";
import type { OrderedLog } from "./transfer/append.js";
import { runningProcesses } from "./running-processes.js";
import type { OpenedToWrite, WriteOptions } from "./target.js";

export const openEnginesToWrite = async (
  config: DistributedConfig,
  { unchecked }: WriteOptions,
): Promise<OpenedToWrite> => {
  const closers: Closers = [];
  const close = () => closeAll(closers);
  try {
    const log = await openLogOfEngines(config, closers);
    const { db } = await openDatabase(config, closers);
    await refuseRunning(config, unchecked === true);
    return { log, ordered: orderedIn(log), forgetDerived: () => forgetDerivedIn(db), close };
  } catch (error) {
    throw await closedAfter(error, close);
  }
};

/** A window that the store answers well within the time-out of its last append, on a slow disk too. */
const orderedIn = ({ openOrderedAppends }: EventStoreDbLog): OrderedLog => ({
  open: openOrderedAppends,
  atOnce: { events: 512, bytes: 2 * 1024 * 1024 },
  attemptsMax: 10,
});

/** Processes of the cell that run and would go on with what they know. */
export class StillRunning extends Error {
  constructor(processes: readonly string[]) {
    super(
      `these processes of the cell still run: ${processes.join(", ")}. Stop every gateway and projector, wait ten seconds, and try again`,
    );
    this.name = "StillRunning";
  }
}

/** @throws (rejects) StillRunning; Error when Redis or NATS does not say, unless that is `unchecked` */
const refuseRunning = async (config: DistributedConfig, unchecked: boolean): Promise<void> => {
  const { running, silent } = await runningProcesses(config);
  if (running.length > 0) throw new StillRunning(running);
  if (silent.length > 0 && !unchecked)
    throw new Error(
      `whether processes of the cell still run is not known: ${silent.join("; ")}. Start it, or give --unchecked when you have stopped them all yourself`,
    );
};

/** The views with their checkpoints, of whatever generation, and the snapshots. What else lies there stays, the keys above all. */
const forgetDerivedIn = async (db: Mongo["db"]): Promise<void> => {
  const collections = await db.listCollections({}, { nameOnly: true }).toArray();
  for (const { name } of collections) if (/^views|^snapshot(s|_)/.test(name)) await db.dropCollection(name);
};
