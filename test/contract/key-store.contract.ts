/** What every `KeyStore` promises (commands/ports.ts), as one executable suite: each adapter's test runs it. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { KeyStore } from "../../src/commands/ports.js";

export type OpenedKeyStore = {
  readonly store: KeyStore;
  /** Closes the store and opens it again on the same data. */
  readonly reopen: () => Promise<KeyStore>;
  readonly close: () => Promise<void>;
};

export const keyStoreContract = (name: string, open: () => Promise<OpenedKeyStore>): void => {
  describe(`${name} as a key store`, () => {
    let opened: OpenedKeyStore;
    let store: KeyStore;
    beforeEach(async () => {
      opened = await open();
      ({ store } = opened);
    });
    afterEach(async () => {
      await opened.close();
    });

    it("makes 32 bytes for a new id, others for another id, and the same ones ever after", async () => {
      const key = await store.obtain("user/alice/2026-01");
      const other = await store.obtain("user/alice/2026-02");
      expect(Buffer.isBuffer(key)).toBe(true);
      expect(key).toHaveLength(32);
      expect(other.equals(key)).toBe(false);
      expect(await store.obtain("user/alice/2026-01")).toEqual(key);
    });

    it("makes no key for a caller that only looks for it", async () => {
      expect(store.cached("k")).toBeUndefined();
      expect(await store.find("k")).toBeUndefined();
      expect(await store.find("k")).toBeUndefined();
      const key = await store.obtain("k");
      expect(await store.find("k")).toEqual(key);
      expect(store.cached("k")).toEqual(key);
    });

    it("gives concurrent askers of one id one key, and every one of many ids its own", async () => {
      const same = await Promise.all(Array.from({ length: 20 }, () => store.obtain("same")));
      expect(new Set(same.map((key) => key.toString("hex"))).size).toBe(1);
      const many = await Promise.all(Array.from({ length: 700 }, (_, i) => store.obtain(`many-${i}`)));
      expect(new Set(many.map((key) => key.toString("hex"))).size).toBe(700);
      expect(await store.find("many-300")).toEqual(many[300]);
    });

    it("has its keys after it was opened again", async () => {
      const key = await store.obtain("k");
      const again = await opened.reopen();
      expect(again.cached("k")).toBeUndefined();
      expect(await again.find("k")).toEqual(key);
      expect(await again.obtain("k")).toEqual(key);
    });
  });
};
