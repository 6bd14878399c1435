/** The tree's part of a thread: reads the log's file by itself and keeps `tree.db`. */
import { openTreeKeeper, type Grown, type TreeKeeper } from "../audit/tree/keeper.js";
import type { OpenInThread } from "../infra/engines/shared-thread.js";
import { openSqliteLogReader } from "../infra/event-log/sqlite/file-reader.js";
import { openSqliteTree } from "../infra/tree-store/sqlite/tree-store.js";

export type TreeWorkerData = { readonly path: string; readonly logPath: string; readonly epoch: string };

const createHandlers = ({ path, logPath, epoch }: TreeWorkerData) => {
  const log = openSqliteLogReader(logPath);
  const store = openSqliteTree(path);
  // A failed opening is tried again by the next call.
  let opened: TreeKeeper | undefined;
  const keeper = async (): Promise<TreeKeeper> => (opened ??= await openTreeKeeper({ source: log, store, epoch }));
  return {
    catchUp: async (): Promise<Grown> => (await keeper()).catchUp(),
    root: async (size: number): Promise<string> => (await (await keeper()).root(size)).toString("hex"),
    hasOthersSince: async (size: number): Promise<boolean> => (await keeper()).hasOthersSince(size),
    close: (): void => {
      store.close();
      log.close();
    },
  };
};

export type TreeHandlers = ReturnType<typeof createHandlers>;

export const open: OpenInThread<TreeWorkerData> = createHandlers;
