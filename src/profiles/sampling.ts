import type { Logger } from "../gateway/ports.js";
import { callWorker, workerUrl } from "../infra/engines/worker.js";
import type { EventSource } from "../projections/ports/event-source.js";
import type { Mongo } from "../infra/engines/mongodb/connection.js";
import type { Checkpoints } from "../infra/view-store/mongodb/checkpoints.js";
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
  {
    source,
    db,
    checkpoints,
  }: { readonly source: EventSource; readonly db: Mongo["db"]; readonly checkpoints: Checkpoints },
  { counts, logger }: Telling,
): (() => void) => {
  const deps = { source, stored: storedRowsIn(db, checkpoints) };
  return startSampling({ perHour, look: () => sampleOnce(deps, Math.random()), ...tellingSampled(counts, logger) })
    .stop;
};
