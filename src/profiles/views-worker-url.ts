import { workerUrl } from "../infra/engines/worker.js";

/** The thread that makes the embedded views: it puts projections, the log's file and the views' file together. */
export const viewsWorkerUrl = workerUrl(import.meta.url, "./views.worker.js");
