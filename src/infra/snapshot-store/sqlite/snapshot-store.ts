/** The embedded snapshot store: SQLite in a worker thread, in a file that may be deleted at any time. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { SnapshotStore } from "../../../commands/ports.js";
import { startSharedThread, type SharedThread } from "../../engines/shared-thread.js";
import { workerUrl } from "../../engines/worker.js";
import type { Saved, SnapshotHandlers, SnapshotWorkerData } from "./snapshot-store.worker.js";

export type SqliteSnapshots = SnapshotStore & {
  /** Repeatable. What is under way is answered first. */
  readonly close: () => Promise<void>;
  /** Resolves when the store's thread died: from then on loads and saves reject. */
  readonly failed: Promise<Error>;
};

/** Loads and saves that may wait: a cold load that is refused folds its stream instead. */
const callsMax = 1_000;

/** Opens, or makes, the store in the file `path`, whose directory exists. A damaged file is made anew. Never rejects. */
export const openSqliteSnapshots = (
  path: string,
  thread: SharedThread = startSharedThread("snapshot-store"),
): SqliteSnapshots => {
  const data: SnapshotWorkerData = { path };
  const worker = thread.run<SnapshotHandlers>(workerUrl(import.meta.url, "./snapshot-store.worker.js"), data, {
    name: "snapshot-store",
    callsMax,
    // A key that is missing holds a message up; a snapshot only shortens a load.
    isPatient: true,
  });
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    // A thread that has died has nothing to close.
    await Promise.race([worker.call("close").catch(() => undefined), worker.failed]);
    await worker.terminate();
  };
  return {
    load: async (stream, version) => {
      const found = await worker.call("load", stream, version);
      return found && { ...found, chunks: new Map(found.chunks) };
    },
    save: async (stream, { chunks, ...head }) => {
      const held = new Set(await worker.call("heldFixed", stream, head.version));
      const written: Saved["written"][number][] = [];
      for (const { name, fixed, data } of chunks) {
        if (fixed && held.has(name)) continue;
        written.push({ name, fixed, data: data() });
        // A large group has a hundred chunks to encode: clients that wait meanwhile are served in between.
        await nextTurn();
      }
      await worker.call("save", stream, { head, names: chunks.map(({ name }) => name), written });
    },
    close: () => (closing ??= close()),
    failed: worker.failed,
  };
};
