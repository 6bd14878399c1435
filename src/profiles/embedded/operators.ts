import type { AdminCalls } from "../../admin-server/call.js";
import { startAdminServer } from "../../admin-server/server.js";
import type { Logger } from "../../gateway/ports.js";
import type { Telemetry } from "../../infra/telemetry.js";
import type { Config } from "../../settings/config.js";
import { adminCallsOf } from "../admin-calls.js";
import type { Closers } from "../close-all.js";
import { filesOf } from "../data-directory.js";
import type { ErasingWith } from "../erasure/erase.js";
import { reconcileCountsIn } from "../reconcile-counts.js";
import { startEmbeddedSampling } from "../sampling.js";
import type { ProjectionErrors } from "../views-calls.js";
import type { Stores } from "./stores.js";

type Saying = { readonly logger: Logger; readonly telemetry: Telemetry };

/** What operators may ask of a running server, and what it looks after for them. @returns what ends it, in order */
export const serveOperators = async (
  config: Config,
  stores: Stores,
  erasing: ErasingWith,
  errors: () => ProjectionErrors,
  { logger, telemetry }: Saying,
): Promise<Closers> => {
  const closers: Closers = [];
  const counts = reconcileCountsIn(telemetry);
  const files = filesOf(config.dataDir);
  if (config.reconcileSample > 0) {
    const data = { dir: config.dataDir, logPath: files.log };
    closers.push(startEmbeddedSampling(config.reconcileSample, data, { counts, logger }));
  }
  const calls = adminCallsOf({ ...stores, erasing }, files, counts, errors);
  closers.push(await listen(files.admin, calls, logger));
  return closers;
};

/** Without operators' calls a server runs as well as with them, so what is wrong is said and nothing more. */
const listen = async (path: string, calls: AdminCalls, logger: Logger): Promise<() => Promise<void>> => {
  const onError = (call: string, err: Error): void => {
    logger.error({ call, err }, "an operator's call failed");
  };
  try {
    return (await startAdminServer(path, calls, onError)).close;
  } catch (error) {
    logger.warn(
      { err: error },
      "operators' commands cannot reach this server: those that change something need it stopped",
    );
    return () => Promise.resolve();
  }
};
