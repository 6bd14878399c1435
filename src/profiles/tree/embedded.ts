import { createTreeSigner, type TreeSigner } from "../../audit/tree/signer.js";
import type { Logger } from "../../gateway/ports.js";
import type { SharedThread } from "../../infra/engines/shared-thread.js";
import { workerUrl } from "../../infra/engines/worker.js";
import type { SqliteLog } from "../../infra/event-log/sqlite/event-log.js";
import type { Telemetry } from "../../infra/telemetry.js";
import { openTreeKeyFile } from "../../infra/tree-keys/file.js";
import type { Config } from "../../settings/config.js";
import type { filesOf } from "../data-directory.js";
import { ids } from "../serving.js";
import type { TreeHandlers } from "../tree.worker.js";
import { keepTree } from "./keeping.js";
import { observeTree, onLostKey, onTreeProblem } from "./observing.js";
import { startWitnesses } from "./witnesses.js";

export type EmbeddedTreeOptions = {
  readonly config: Pick<Config, "tree">;
  readonly files: Pick<ReturnType<typeof filesOf>, "log" | "tree" | "treeKey">;
  readonly log: SqliteLog;
  readonly epoch: string;
  readonly thread: SharedThread;
  readonly telemetry: Telemetry;
  readonly logger: Logger;
};

export type EmbeddedTree = Pick<TreeSigner, "rotate"> & { readonly close: () => Promise<void> };

/**
 * The tree of the embedded profile. It asks the log's counters once a second whether there is more, and another thread
 * reads it: what accepts and delivers messages does not know of it.
 */
export const startEmbeddedTree = (options: EmbeddedTreeOptions): EmbeddedTree => {
  const { config, files, log, epoch, thread, telemetry, logger } = options;
  const worker = thread.run<TreeHandlers>(
    workerUrl(import.meta.url, "../tree.worker.js"),
    { path: files.tree, logPath: files.log, epoch },
    { name: "tree", isPatient: true },
  );
  const signer = createTreeSigner({
    ...{ log: { ...log.background, append: log.append }, keys: openTreeKeyFile(files.treeKey) },
    ...{ clock: Date.now, ids, onLostKey: onLostKey(logger) },
  });
  const witnesses = startWitnesses(config.tree, { logger, telemetry });
  const kept = keepTree({
    keeper: {
      catchUp: () => worker.call("catchUp"),
      root: (size) => worker.call("root", size),
      hasOthersSince: (size) => worker.call("hasOthersSince", size),
    },
    ...{ signer, headEvents: config.tree.headEvents, headSeconds: config.tree.headSeconds },
    mayHaveMore: (checkpoint) => log.stats().head > (checkpoint?.position ?? -1),
    onHead: witnesses.tell,
    onProblem: onTreeProblem(telemetry, logger),
    clock: Date.now,
  });
  observeTree(telemetry, kept);
  const close = async (): Promise<void> => {
    await kept.stop();
    await witnesses.stop();
    // A thread that has died has nothing to close.
    await Promise.race([worker.call("close").catch(() => undefined), worker.failed]);
    await worker.terminate();
  };
  return { rotate: signer.rotate, close };
};
