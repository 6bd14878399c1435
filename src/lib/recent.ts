/** Entries that are forgotten when there are too many: those that were set or got longest ago. No value is undefined. */
export type Recent<K, V> = {
  readonly get: (key: K) => V | undefined;
  /** Leaves the entry where it stands. */
  readonly peek: (key: K) => V | undefined;
  readonly set: (key: K, value: V) => void;
  readonly delete: (key: K) => boolean;
  readonly clear: () => void;
};

/**
 * At most `max` entries. One more than that takes the place of the oldest sixteenth: what has left a Map stays in it as a
 * hole until the Map is rehashed, and each search for its oldest entry walks through all of these.
 *
 * For entries that come with connections, in number and in pace: a Map, whose order is that of insertion, takes 28 to 56
 * bytes an entry where an LRUCache takes some 100.
 */
export const createRecent = <K, V>(max: number): Recent<K, V> => {
  const entries = new Map<K, V>();
  const forgottenAtOnce = Math.max(1, Math.floor(max / 16));
  const forgetOldest = (): void => {
    let left = forgottenAtOnce;
    for (const key of entries.keys()) {
      entries.delete(key);
      left--;
      if (left === 0) return;
    }
  };
  const set = (key: K, value: V): void => {
    entries.delete(key);
    entries.set(key, value);
    if (entries.size > max) forgetOldest();
  };
  return {
    get: (key) => {
      const value = entries.get(key);
      if (value !== undefined) set(key, value);
      return value;
    },
    peek: (key) => entries.get(key),
    set,
    delete: (key) => entries.delete(key),
    clear: () => {
      entries.clear();
    },
  };
};
