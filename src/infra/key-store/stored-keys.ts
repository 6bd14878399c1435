/** All keys of a store, for operators who take them out or bring them in. */
export type StoredKeys = {
  /** By id, page by page. */
  readonly pages: () => AsyncGenerator<readonly StoredKey[]>;
  readonly count: () => Promise<number>;
  /** Those of these ids that are there. */
  readonly find: (ids: readonly string[]) => Promise<ReadonlyMap<string, Buffer>>;
  /** Adds those that are not there, durable when it resolves, and leaves the others as they are. @returns how many were added */
  readonly add: (keys: readonly StoredKey[]) => Promise<number>;
  /** Takes these away and puts those in their place, all or nothing where the engine can. */
  readonly replace: (away: readonly string[], keys: readonly StoredKey[]) => Promise<void>;
  readonly close: () => Promise<void>;
};

export type StoredKey = { readonly id: string; readonly key: Buffer };

/** Of one page. */
export const storedKeysPage = 500;
