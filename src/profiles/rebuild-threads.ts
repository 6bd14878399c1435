import { callWorker, workerUrl, type WorkerClient } from "../infra/engines/worker.js";
import type { FillThreads } from "../projections/rebuild/parts.js";
import type { RebuildHandlers, RebuildWorkerData } from "./rebuild.worker.js";

/** Threads for a rebuild of the embedded profile's views, started when they first have something to do. They take turns. */
export const startRebuildThreads = (data: RebuildWorkerData, count: number): FillThreads => {
  const workers: WorkerClient<RebuildHandlers>[] = [];
  const start = (): WorkerClient<RebuildHandlers> => {
    const worker = callWorker<RebuildHandlers>(workerUrl(import.meta.url, "./rebuild.worker.js"), data, {
      name: "parley-rebuild",
      youngMb: 12,
    });
    workers.push(worker);
    return worker;
  };
  let turn = 0;
  return {
    project: (range, plan) => {
      const worker = workers[turn % count] ?? start();
      turn += 1;
      return worker.call("project", range, { names: plan.names, forkedAt: plan.forkedAt });
    },
    close: async () => {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
};
