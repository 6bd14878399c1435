import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteViewsFile } from "../../src/infra/view-store/sqlite/views-file.js";
import type { ViewReads, ViewStore } from "../../src/projections/ports/view-store.js";

export const temporaryDirectory = (): { readonly path: string; readonly remove: () => void } => {
  const path = mkdtempSync(join(tmpdir(), "parley-views-"));
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true });
    },
  };
};

export const later =
  <Args extends readonly unknown[], Result>(read: (...args: Args) => Result) =>
  (...args: Args): Promise<Result> =>
    new Promise((resolve) => {
      resolve(read(...args));
    });

/** The synchronous core as the port has it, without a worker. */
export const coreStore = (path: string): ViewStore & { readonly close: () => void } => {
  const views = openSqliteViewsFile(path);
  const { reads } = views;
  const asynchronous: ViewReads = {
    inbox: later(reads.inbox),
    summaries: later(reads.summaries),
    touchedSince: later(reads.touchedSince),
    members: later(reads.members),
    messages: later(reads.messages),
    messagesAt: later(reads.messagesAt),
    messageById: later(reads.messageById),
    receiptCounts: later(reads.receiptCounts),
    receiptsOf: later(reads.receiptsOf),
    membershipSteps: later(reads.membershipSteps),
    user: later(reads.user),
    devices: later(reads.devices),
    erasedAfter: later(reads.erasedAfter),
    erasedAmong: later(reads.erasedAmong),
  };
  return {
    apply: later(views.apply),
    checkpoint: later(views.checkpoint),
    reads: asynchronous,
    close: views.close,
  };
};

/** Runs a body on a store in a file of its own, which is gone afterwards. */
export const withCoreStore = async <A>(body: (store: ViewStore) => Promise<A>): Promise<A> => {
  const directory = temporaryDirectory();
  const store = coreStore(join(directory.path, "views.db"));
  try {
    return await body(store);
  } finally {
    store.close();
    directory.remove();
  }
};

/** As `withCoreStore`, with the file's synchronous views. */
export const withCoreFile = async <A>(
  body: (file: ReturnType<typeof openSqliteViewsFile>) => A | Promise<A>,
): Promise<A> => {
  const directory = temporaryDirectory();
  const file = openSqliteViewsFile(join(directory.path, "views.db"));
  try {
    return await body(file);
  } finally {
    file.close();
    directory.remove();
  }
};
