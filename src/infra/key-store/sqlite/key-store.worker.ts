/** The key store's part of a thread: one file, one row a key, every commit synced. */
import { randomBytes } from "node:crypto";
import type Database from "better-sqlite3";
import { erasedMarkOf, ownerOf } from "../../../domain/kernel/users-keys.js";
import { isInDoubt, opening } from "../../engines/sqlite-file.js";
import type { OpenInThread } from "../../engines/shared-thread.js";
import { unwrap, wrap, type MasterKeys } from "../wrapping.js";
import { openKeyFile } from "./schema.js";
import { condemn, destroy, keyIdsOf } from "./destroy.js";
import { createRewrap, prepareWrapped, type Rewrapped } from "./wrapped.js";

export type KeyWorkerData = {
  readonly path: string;
  readonly masterKeys: readonly Uint8Array[];
  /** How long another connection's commit is waited for. Every caller that asks for a key waits meanwhile. */
  readonly busyMsMax: number;
};
/** Posted once. */
export type KeysStopped = { readonly stopped: string };

const keyBytes = 32;

/** A Buffer that crossed a thread is a Uint8Array. */
const buffersOf = (keys: readonly Uint8Array[]): MasterKeys =>
  keys.map((key) => Buffer.from(key)) as unknown as MasterKeys;

const createHandlers = (db: Database.Database, given: MasterKeys, onStopped: (told: KeysStopped) => void) => {
  let masterKeys = given;
  const stored = db.prepare<[string], Buffer>("select key from keys where id = ?").pluck();
  const find = (id: string): Buffer | undefined => {
    const wrapped = stored.get(id);
    return wrapped && unwrap(masterKeys, id, wrapped);
  };
  const rewrap = createRewrap(db);
  const insert = db.prepare<[string, Buffer]>("insert into keys values (?, ?)");
  const isCondemned = (id: string): boolean => {
    const owner = ownerOf(id);
    return owner !== undefined && stored.get(erasedMarkOf(owner)) !== undefined;
  };
  const obtainAll = db.transaction((ids: readonly string[]) =>
    ids.map((id) => {
      const known = find(id);
      if (known !== undefined) return known;
      if (isCondemned(id)) return undefined;
      const key = randomBytes(keyBytes);
      insert.run(id, wrap(masterKeys, id, key));
      return key;
    }),
  );
  let broken: Error | undefined;
  return {
    /**
     * The keys of these ids, in order; new ones are durable. Undefined for a user's who was erased. A commit that was taken back as a whole may be tried again:
     * the file was locked, or the disk is full. After one that leaves the file in doubt it fails for good.
     */
    obtain: (ids: readonly string[]): (Uint8Array | undefined)[] => {
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
    find: (ids: readonly string[]): (Uint8Array | undefined)[] => ids.map(find),
    condemn: (userId: string): readonly string[] => condemn(db, masterKeys, userId),
    isErased: (userId: string): boolean =>
      stored.get(erasedMarkOf(userId)) !== undefined && keyIdsOf(db, userId).length === 0,
    destroy: (userId: string): readonly string[] => destroy(db, masterKeys, userId),
    /** From now on these wrap and open. */
    useMasterKeys: (keys: readonly Uint8Array[]): void => {
      masterKeys = buffersOf(keys);
    },
    /** Wraps a page of keys anew, by id after `after`. */
    rewrap: (after: string): Rewrapped => rewrap(masterKeys, after),
    close: (): void => {
      db.close();
    },
  };
};

export type KeyHandlers = ReturnType<typeof createHandlers>;

export const open: OpenInThread<KeyWorkerData> = ({ path, masterKeys, busyMsMax }, post) => {
  const keys = buffersOf(masterKeys);
  const db = opening(path, "the keys", () => openKeyFile(path, busyMsMax));
  try {
    prepareWrapped(db, keys);
  } catch (error) {
    db.close();
    throw error;
  }
  return createHandlers(db, keys, (told) => {
    post(told);
  });
};
