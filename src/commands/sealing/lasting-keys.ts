import { LRUCache } from "lru-cache";
import { entriesMax } from "../../lib/lru.js";
import type { KeyStore } from "../ports.js";
import { keyIdOf, type LastingKey } from "./data-keys.js";

/** Names of keys in memory, some 100 bytes each: as many as a store keeps keys. */
const namesMax = 20_000;

export type FoundKey = { readonly keyId: string; readonly key: Buffer };

/**
 * The one key of a conversation or a profile, which outlives incarnations: under a second one the digest of a text would
 * be another, and what is equal would not be found equal any more. The oldest that the store has serves; there is none
 * to make but under the newest incarnation. `obtain` answers at once where its name was found before and the key is in memory.
 */
export const createLastingKeys = (keys: KeyStore, newest: string, earlier: readonly string[]) => {
  const names = new LRUCache<string, string>(entriesMax(namesMax));
  const search = async (of: LastingKey): Promise<FoundKey> => {
    const ids = earlier.map((incarnation) => keyIdOf(of, incarnation));
    const found = await Promise.all(ids.map((keyId) => keys.find(keyId)));
    const [first] = ids.flatMap((keyId, i) => (found[i] === undefined ? [] : [{ keyId, key: found[i] }]));
    if (first !== undefined) return first;
    const keyId = keyIdOf(of, newest);
    return { keyId, key: await keys.obtain(keyId) };
  };
  const atHand = (of: LastingKey): FoundKey | undefined => {
    const name = keyIdOf(of, newest);
    const keyId = earlier.length === 0 ? name : names.get(name);
    const key = keyId === undefined ? undefined : keys.cached(keyId);
    return keyId === undefined || key === undefined ? undefined : { keyId, key };
  };
  return {
    /** Only from memory: makes none. */
    atHand,
    obtain: (of: LastingKey): FoundKey | Promise<FoundKey> =>
      atHand(of) ??
      search(of).then((found) => {
        names.set(keyIdOf(of, newest), found.keyId);
        return found;
      }),
  };
};
