/**
 * The embedded key store: SQLite in a worker thread, of its own or shared, apart from the log, so that destroying a key
 * destroys what it sealed. New keys that are asked for while a commit is in flight share the next commit.
 */
import { LRUCache } from "lru-cache";
import { entriesMax } from "../../../lib/lru.js";
import { LogError, type DestroyingKeys, type KeyStore } from "../../../commands/ports.js";
import { ownerOf } from "../../../domain/kernel/users-keys.js";
import { startSharedThread, type SharedThread } from "../../engines/shared-thread.js";
import { workerUrl } from "../../engines/worker.js";
import { requireMasterKeys, type MasterKeys } from "../wrapping.js";
import { createBatchedLookup } from "../../../lib/batched-lookup.js";
import type { KeyHandlers, KeysStopped, KeyWorkerData } from "./key-store.worker.js";
import type { Rewrapped } from "./wrapped.js";

/** `obtain` and `find` reject with LogError `UNAVAILABLE`: no key was handed out, and nothing was sealed with it. */
export type SqliteKeyStore = KeyStore &
  DestroyingKeys & {
    /**
     * Wraps all keys with the first of these, page by page beside other callers; they open from now on. Resolves with how
     * many were wrapped with another one, when all are durable.
     */
    readonly rewrap: (masterKeys: MasterKeys, onProgress?: (rewrapped: number) => void) => Promise<number>;
    /** Repeatable. What is under way is answered first. */
    readonly close: () => Promise<void>;
    /** Resolves when the store has stopped by itself: a commit left the file in doubt, or its thread died. Only a restart helps. */
    readonly failed: Promise<Error>;
  };

export type KeyStoreOptions = {
  /** Keys kept in memory: 20,000 are about 4 MB. A key serves a user for a month, or a conversation's names. */
  readonly cachedKeysMax: number;
  /** Different ids that may wait for their key. */
  readonly waitingMax: number;
  /** How long a new key waits for another connection's commit, a backup's or a tool's, before it is refused. */
  readonly busyMsMax: number;
};
const optionsDefault: KeyStoreOptions = { cachedKeysMax: 20_000, waitingMax: 10_000, busyMsMax: 5_000 };

/**
 * Opens, or makes, the store in the file `path` (mode 600), whose directory exists. Keys that lie plain in it, as those of
 * versions before do, are wrapped first.
 * @throws (rejects) LogError `UNAVAILABLE` when it cannot be opened.
 */
export const openSqliteKeyStore = async (
  path: string,
  masterKeys: MasterKeys,
  options: Partial<KeyStoreOptions> = {},
  thread: SharedThread = startSharedThread("key-store"),
): Promise<SqliteKeyStore> => {
  const { cachedKeysMax, waitingMax, busyMsMax } = { ...optionsDefault, ...options };
  const data: KeyWorkerData = { path, masterKeys: requireMasterKeys(masterKeys), busyMsMax };
  const worker = thread.run<KeyHandlers>(workerUrl(import.meta.url, "./key-store.worker.js"), data, {
    name: "key-store",
  });
  const stopped = new Promise<Error>((resolve) => {
    worker.onMessage((told) => {
      resolve(new Error((told as KeysStopped).stopped));
    });
  });
  const cache = new LRUCache<string, Buffer>(entriesMax(cachedKeysMax));
  /** An earlier one stays: all seal with the same bytes. */
  const keep = (keyId: string, bytes: Uint8Array): Buffer => {
    const key = cache.get(keyId) ?? bufferOf(bytes);
    cache.set(keyId, key);
    return key;
  };
  // A page of an inbox asks for the keys of two hundred conversations at once.
  const batchesOf = (call: "obtain" | "find") =>
    createBatchedLookup(async (ids) => {
      const keys = await worker.call(call, ids);
      return new Map(ids.flatMap((id, i) => (keys[i] === undefined ? [] : [[id, keys[i]] as const])));
    }, waitingMax);
  const obtaining = batchesOf("obtain");
  const finding = batchesOf("find");
  let closing: Promise<void> | undefined;

  const find = async (keyId: string): Promise<Buffer | undefined> => {
    const cached = cache.get(keyId);
    if (cached !== undefined) return cached;
    const found = await finding.ask(keyId).catch(unavailable);
    return found === undefined ? undefined : keep(keyId, found);
  };
  const close = async (): Promise<void> => {
    await Promise.all([obtaining.idle(), finding.idle()]);
    try {
      await worker.call("close").catch(unavailable);
    } finally {
      await worker.terminate();
    }
  };

  // The first answer shows that the file could be opened.
  await find("").catch(async (error: unknown) => {
    await worker.terminate();
    throw error;
  });
  return {
    cached: (keyId) => cache.get(keyId),
    obtain: async (keyId) => {
      const cached = cache.get(keyId);
      if (cached !== undefined) return cached;
      const key = await obtaining.ask(keyId).catch(unavailable);
      return key === undefined ? unavailable(`no key came for ${keyId}`) : keep(keyId, key);
    },
    find,
    condemn: (userId) => worker.call("condemn", userId).catch(unavailable),
    destroy: async (userId) => {
      try {
        return await worker.call("destroy", userId);
      } finally {
        // Also when it could not be finished: they may be deleted by then. After those that were on their way before it,
        // which are kept when they come.
        await Promise.all([obtaining.idle(), finding.idle()]);
        for (const keyId of [...cache.keys()]) if (ownerOf(keyId) === userId) cache.delete(keyId);
      }
    },
    isErased: (userId) => worker.call("isErased", userId).catch(unavailable),
    rewrap: async (keys, onProgress) => {
      await worker.call("useMasterKeys", requireMasterKeys(keys));
      let rewrapped = 0;
      for (let after: string | undefined = ""; after !== undefined;) {
        const page: Rewrapped = await worker.call("rewrap", after);
        rewrapped += page.rewrapped;
        onProgress?.(rewrapped);
        after = page.last;
      }
      return rewrapped;
    },
    close: () => (closing ??= close()),
    failed: Promise.race([worker.failed, stopped]),
  };
};

/** A Buffer that crossed a thread is a Uint8Array. */
const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const unavailable = (error: unknown): never => {
  const reason = error instanceof Error ? error.message : String(error);
  throw new LogError("UNAVAILABLE", reason, { cause: error });
};
