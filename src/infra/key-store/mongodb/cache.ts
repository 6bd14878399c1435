import { LRUCache } from "lru-cache";
import { ownerOf } from "../../../domain/kernel/users-keys.js";
import { entriesMax } from "../../../lib/lru.js";

/** Keys in memory, with when MongoDB was last asked about them; the least recently used one gives way. */
export type AgingKeys = {
  /** Marks it as used. */
  readonly get: (keyId: string) => AgingKey | undefined;
  readonly put: (keyId: string, key: Buffer, mark: string, now: number) => Buffer;
  readonly drop: (keyId: string) => void;
  /** All of a user's. */
  readonly dropOf: (userId: string) => void;
  /** It is still there, under the same mark. */
  readonly confirm: (keyId: string, now: number) => void;
  /** Ids that were checked before `checkedBefore`, at most `max`. */
  readonly due: (checkedBefore: number, max: number) => readonly (readonly [keyId: string, mark: string])[];
  /** Forgets those that no caller has used since. */
  readonly forgetUnused: (usedBefore: number) => void;
  readonly size: () => number;
  readonly clear: () => void;
};

/** Times are milliseconds of the store's clock. `mark`: of the wrapping that the key came from. */
export type AgingKey = { readonly key: Buffer; readonly mark: string; readonly checkedAt: number };

type Kept = { readonly key: Buffer; readonly mark: string; checkedAt: number; usedAt: number };

export const createAgingKeys = (keysMax: number, clock: () => number): AgingKeys => {
  /** The order in which they are looked for again. */
  const checks = new LRUCache<string, true>(entriesMax(keysMax));
  const keys = new LRUCache<string, Kept>({
    ...entriesMax(keysMax),
    dispose: (_, keyId, reason) => {
      if (reason !== "set") checks.delete(keyId);
    },
  });
  return {
    get: (keyId) => {
      const entry = keys.get(keyId);
      if (entry !== undefined) entry.usedAt = clock();
      return entry;
    },
    put: (keyId, key, mark, now) => {
      // A caller that holds the same key already goes on with the same bytes.
      const known = keys.peek(keyId);
      const kept = known?.mark === mark ? known.key : key;
      keys.set(keyId, { key: kept, mark, checkedAt: now, usedAt: clock() });
      checks.set(keyId, true);
      return kept;
    },
    drop: (keyId) => {
      keys.delete(keyId);
    },
    dropOf: (userId) => {
      for (const keyId of [...keys.keys()]) if (ownerOf(keyId) === userId) keys.delete(keyId);
    },
    confirm: (keyId, now) => {
      // In its place: being checked is not being used.
      const entry = keys.peek(keyId);
      if (entry === undefined) return;
      entry.checkedAt = now;
      checks.set(keyId, true);
    },
    due: (checkedBefore, max) => {
      const found: (readonly [string, string])[] = [];
      for (const keyId of checks.rkeys()) {
        const entry = keys.peek(keyId);
        if (found.length >= max || entry === undefined || entry.checkedAt >= checkedBefore) break;
        found.push([keyId, entry.mark]);
      }
      return found;
    },
    forgetUnused: (usedBefore) => {
      for (;;) {
        const [oldest] = keys.rkeys();
        if (oldest === undefined || (keys.peek(oldest)?.usedAt ?? Infinity) >= usedBefore) return;
        keys.delete(oldest);
      }
    },
    size: () => keys.size,
    clear: () => {
      keys.clear();
      checks.clear();
    },
  };
};
