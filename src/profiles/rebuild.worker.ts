/** A thread that projects ranges of the log for a generation of the views: reads the log's file by itself, and writes nothing. */
import { workerData } from "node:worker_threads";
import { serveWorker } from "../infra/engines/worker.js";
import { openSqliteLogReader } from "../infra/event-log/sqlite/file-reader.js";
import { boundRows } from "../infra/view-store/sqlite/bound-rows.js";
import { projectPart, type FillPlan, type Part, type Range } from "../projections/rebuild/parts.js";

export type RebuildWorkerData = { readonly logPath: string };

const log = openSqliteLogReader((workerData as RebuildWorkerData).logPath);

const handlers = {
  project: async (range: Range, plan: FillPlan): Promise<Part> => {
    const part = await projectPart(log, range, plan, { eventsMax: range.upTo - range.after });
    return { ...part, changes: { bound: boundRows(part.changes) } };
  },
};
export type RebuildHandlers = typeof handlers;

serveWorker(handlers);
