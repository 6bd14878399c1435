/** Keys in memory, the least recently used of which gives way. */
export type KeyCache = {
  readonly get: (keyId: string) => Buffer | undefined;
  /** Returns the key that is in the cache afterwards: an earlier one stays. */
  readonly put: (keyId: string, key: Buffer) => Buffer;
};

export const createKeyCache = (keysMax: number): KeyCache => {
  // A Map keeps the order of insertion: the first is the least recently used.
  const keys = new Map<string, Buffer>();
  const get = (keyId: string): Buffer | undefined => {
    const key = keys.get(keyId);
    if (key === undefined) return undefined;
    keys.delete(keyId);
    keys.set(keyId, key);
    return key;
  };
  return {
    get,
    put: (keyId, key) => {
      const known = get(keyId);
      if (known !== undefined) return known;
      for (const oldest of keys.keys()) {
        if (keys.size < keysMax) break;
        keys.delete(oldest);
      }
      keys.set(keyId, key);
      return key;
    },
  };
};
