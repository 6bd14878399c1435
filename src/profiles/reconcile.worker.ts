/** The thread of the embedded profile's sample: reads the log's and the views' files by itself, and writes nothing. */
import { workerData } from "node:worker_threads";
import { liveViewsPath } from "../infra/view-store/sqlite/generation-files.js";
import { openStoredRows } from "../infra/view-store/sqlite/stored-rows.js";
import { openSqliteLogReader } from "../infra/event-log/sqlite/file-reader.js";
import { serveWorker } from "../infra/engines/worker.js";
import { sampleOnce } from "../projections/reconcile/sample.js";

export type ReconcileWorkerData = { readonly dir: string; readonly logPath: string };

const { dir, logPath } = workerData as ReconcileWorkerData;

const handlers = {
  /** Opened for each look: which views are live may change in between, and an open file would keep old ones. */
  look: async () => {
    const log = openSqliteLogReader(logPath);
    try {
      const { stored, close } = openStoredRows(liveViewsPath(dir));
      try {
        return await sampleOnce({ source: log, stored }, Math.random());
      } finally {
        close();
      }
    } finally {
      log.close();
    }
  },
};
export type ReconcileHandlers = typeof handlers;

serveWorker(handlers);
