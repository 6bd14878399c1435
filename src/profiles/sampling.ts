import type { Logger } from "../gateway/ports.js";
import { callWorker, workerUrl } from "../infra/engines/worker.js";
import type { EventSource } from "../projections/ports/event-source.js";
import type { Mongo } from "../infra/engines/mongodb/connection.js";
import { liveIn } from "../infra/view-store/mongodb/generations/live.js";
import { storedRowsIn } from "../infra/view-store/mongodb/stored-rows.js";
import { sampleOnce, startSampling } from "../projections/reconcile/sample.js";
import { tellingSampled, type ReconcileCounts } from "./reconcile-counts.js";
import type { ReconcileHandlers, ReconcileWorkerData } from "./reconcile.worker.js";

type Telling = { readonly counts: ReconcileCounts; readonly logger: Logger };

/** Of the embedded profile, in a thread of its own. @returns what ends it */
export const startEmbeddedSampling = (
  perHour: number,
  data: ReconcileWorkerData,
  { counts, logger }: Telling,
): (() => Promise<void>) => {
  const worker = callWorker<ReconcileHandlers>(workerUrl(import.meta.url, "./reconcile.worker.js"), data, {
    name: "parley-reconcile",
    youngMb: 6,
  });
  const sampling = startSampling({ perHour, look: () => worker.call("look"), ...tellingSampled(counts, logger) });
  return async () => {
    sampling.stop();
    await worker.terminate();
  };
};

/** Of a projector. @returns what ends it */
export const startDistributedSampling = (
  perHour: number,
  { source, db, partitions }: { readonly source: EventSource; readonly db: Mongo["db"]; readonly partitions: number },
  { counts, logger }: Telling,
): (() => void) => {
  const look = async () => {
    // Asked for each look, and not of the projector's checkpoints: to load those is to begin to project.
    const { generation, checkpoints } = await liveIn(db, partitions);
    return sampleOnce({ source, stored: storedRowsIn(db, checkpoints, generation) }, Math.random());
  };
  return startSampling({ perHour, look, ...tellingSampled(counts, logger) }).stop;
};
