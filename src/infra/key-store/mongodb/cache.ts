/** Keys in memory, with when MongoDB was last asked about them; the least recently used one gives way. */
export type AgingKeys = {
  /** Marks it as used. */
  readonly get: (keyId: string) => AgingKey | undefined;
  readonly put: (keyId: string, key: Buffer, mark: string, now: number) => Buffer;
  readonly drop: (keyId: string) => void;
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

export const createAgingKeys = (keysMax: number, clock: () => number): AgingKeys => {
  // Maps keep the order of insertion: the first one here is the least recently used, in `checks` the longest unchecked.
  const keys = new Map<string, AgingKey & { readonly usedAt: number }>();
  const checks = new Map<string, true>();
  const set = (keyId: string, entry: AgingKey, usedAt: number): void => {
    keys.delete(keyId);
    keys.set(keyId, { ...entry, usedAt });
  };
  const drop = (keyId: string): void => {
    keys.delete(keyId);
    checks.delete(keyId);
  };
  const recheck = (keyId: string): void => {
    checks.delete(keyId);
    checks.set(keyId, true);
  };
  return {
    get: (keyId) => {
      const entry = keys.get(keyId);
      if (entry !== undefined) set(keyId, entry, clock());
      return entry;
    },
    put: (keyId, key, mark, now) => {
      // A caller that holds the same key already goes on with the same bytes.
      const known = keys.get(keyId);
      const kept = known?.mark === mark ? known.key : key;
      set(keyId, { key: kept, mark, checkedAt: now }, clock());
      recheck(keyId);
      for (const oldest of keys.keys()) {
        if (keys.size <= keysMax) break;
        drop(oldest);
      }
      return kept;
    },
    drop,
    confirm: (keyId, now) => {
      const entry = keys.get(keyId);
      if (entry === undefined) return;
      // In its place: being checked is not being used.
      keys.set(keyId, { ...entry, checkedAt: now });
      recheck(keyId);
    },
    due: (checkedBefore, max) => {
      const found: (readonly [string, string])[] = [];
      for (const keyId of checks.keys()) {
        const entry = keys.get(keyId);
        if (found.length >= max || entry === undefined || entry.checkedAt >= checkedBefore) break;
        found.push([keyId, entry.mark]);
      }
      return found;
    },
    forgetUnused: (usedBefore) => {
      for (const [keyId, { usedAt }] of keys) {
        if (usedAt >= usedBefore) break;
        drop(keyId);
      }
    },
    size: () => keys.size,
    clear: () => {
      keys.clear();
      checks.clear();
    },
  };
};
