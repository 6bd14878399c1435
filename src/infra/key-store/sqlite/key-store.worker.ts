/** The key store's part of a thread: one file, one row a key, every commit synced. */
import { randomBytes } from "node:crypto";
import type Database from "better-sqlite3";
import { isInDoubt, opening } from "../../engines/sqlite-file.js";
import type { OpenInThread } from "../../engines/shared-thread.js";
import { openKeyFile } from "./schema.js";

export type KeyWorkerData = {
  readonly path: string;
  /** How long another connection's commit is waited for. Every caller that asks for a key waits meanwhile. */
  readonly busyMsMax: number;
};
/** Posted once. */
export type KeysStopped = { readonly stopped: string };

const keyBytes = 32;

const createHandlers = (db: Database.Database, onStopped: (told: KeysStopped) => void) => {
  const find = db.prepare<[string], Buffer>("select key from keys where id = ?").pluck();
  const insert = db.prepare<[string, Buffer]>("insert into keys values (?, ?)");
  const obtainAll = db.transaction((ids: readonly string[]) =>
    ids.map((id) => {
      const known = find.get(id);
      if (known !== undefined) return known;
      const key = randomBytes(keyBytes);
      insert.run(id, key);
      return key;
    }),
  );
  let broken: Error | undefined;
  return {
    /**
     * The keys of these ids, in order; new ones are durable. A commit that was taken back as a whole may be tried again:
     * the file was locked, or the disk is full. After one that leaves the file in doubt it fails for good.
     */
    obtain: (ids: readonly string[]): Uint8Array[] => {
      if (broken !== undefined) throw broken;
      try {
        // Immediate: another process that makes the same key at the same time waits for this one.
        return obtainAll.immediate(ids);
      } catch (error) {
        if (!isInDoubt(error)) throw error;
        broken = new Error(`the key store has stopped: ${error.message}`);
        onStopped({ stopped: broken.message });
        throw broken;
      }
    },
    find: (ids: readonly string[]): (Uint8Array | undefined)[] => ids.map((id) => find.get(id)),
    close: (): void => {
      db.close();
    },
  };
};

export type KeyHandlers = ReturnType<typeof createHandlers>;

export const open: OpenInThread<KeyWorkerData> = ({ path, busyMsMax }, post) =>
  createHandlers(
    opening(path, "the keys", () => openKeyFile(path, busyMsMax)),
    (told) => {
      post(told);
    },
  );
