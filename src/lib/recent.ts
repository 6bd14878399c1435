/** Of all that was set, the `max` entries that were set or got last. No value is undefined. */
export type Recent<K, V> = {
  readonly get: (key: K) => V | undefined;
  /** Leaves the entry where it stands. */
  readonly peek: (key: K) => V | undefined;
  readonly set: (key: K, value: V) => void;
  readonly delete: (key: K) => boolean;
  readonly clear: () => void;
};

/**
 * For entries that come with connections, in number and in pace: a Map, whose order is that of insertion, takes 28 to 56
 * bytes an entry where an LRUCache takes some 100. But each `get` and `set` leaves a hole behind that the Map is rehashed
 * for now and then, which is not for what is asked for with every message.
 */
export const createRecent = <K, V>(max: number): Recent<K, V> => {
  const entries = new Map<K, V>();
  const set = (key: K, value: V): void => {
    entries.delete(key);
    entries.set(key, value);
    if (entries.size <= max) return;
    const oldest = entries.keys().next();
    if (oldest.done !== true) entries.delete(oldest.value);
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
