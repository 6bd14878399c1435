import { newestEpoch } from "../../commands/epoch.js";
import { ViewsOfAnotherLog } from "../../infra/view-store/mongodb/checkpoints.js";
import { mongoGenerations } from "../../infra/view-store/mongodb/generations/generations.js";
import type { Closers } from "../../profiles/close-all.js";
import type { DistributedConfig } from "../../settings/distributed.js";
import { closeQuietly } from "../doctor/probe.js";
import { openDatabase, openLogOfEngines } from "../open-engines.js";
import type { OpenedGenerations } from "./opened.js";

/**
 * The generations in MongoDB, and the log to read. Projectors join and readers go over by themselves.
 * @throws (rejects) Error that names an engine which does not answer within five seconds; ViewsOfAnotherLog
 */
export const openGenerationsOfEngines = async (config: DistributedConfig): Promise<OpenedGenerations> => {
  const closers: Closers = [];
  const close = () => closeQuietly(closers);
  try {
    const log = await openLogOfEngines(config, closers);
    const { db } = await openDatabase(config, closers);
    const generations = mongoGenerations({ db, partitions: config.partitions });
    const [epoch, all] = [await newestEpoch(log), await generations.list()];
    const stored = all.find(({ state }) => state === "live")?.checkpoint?.epoch;
    if (stored !== undefined && stored !== epoch) throw new ViewsOfAnotherLog(db.databaseName, stored, epoch ?? "none");
    // Rows are written before their checkpoint, and some partitions are ahead of others; none is ahead of the log.
    return {
      ...{ source: log, generations, switchTo: generations.switchTo, liveMayHold: log.head, close },
      oldAreWritten: true,
    };
  } catch (error) {
    await close();
    throw error;
  }
};
