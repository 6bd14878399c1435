/** What every `KeyStore` promises (commands/ports.ts), as one executable suite: each adapter's test runs it. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DestroyingKeys, KeyStore } from "../../src/commands/ports.js";

export type OpenedKeyStore = {
  readonly store: KeyStore & DestroyingKeys;
  /** Closes the store and opens it again on the same data. */
  readonly reopen: () => Promise<KeyStore & DestroyingKeys>;
  readonly close: () => Promise<void>;
};

export const keyStoreContract = (name: string, open: () => Promise<OpenedKeyStore>): void => {
  describe(`${name} as a key store`, () => {
    let opened: OpenedKeyStore;
    let store: KeyStore & DestroyingKeys;
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

    it("makes no key for a user who is condemned, and keeps what is there until it is destroyed", async () => {
      const key = await store.obtain("alice/2026-01/i");
      const bobs = await store.obtain("bob/2026-01/i");
      expect(await store.condemn("alice")).toEqual(["alice/2026-01/i"]);
      await expect(store.obtain("alice/2026-02/i")).rejects.toMatchObject({ code: "UNAVAILABLE" });
      expect(await store.isErased("alice")).toBe(false);
      const again = await opened.reopen();
      expect(await again.find("alice/2026-01/i")).toEqual(key);
      expect(await again.condemn("alice")).toEqual(["alice/2026-01/i"]);
      expect(await again.destroy("alice")).toEqual(["alice/2026-01/i"]);
      expect([await again.isErased("alice"), await again.condemn("alice")]).toEqual([true, []]);
      expect(await again.obtain("bob/2026-01/i")).toEqual(bobs);
    });

    it("destroys a user's keys for good, and makes none for that user any more", async () => {
      const theirs = ["g_a/2026-01", "g_a/2026-11/inc", "g_a/profile/inc", "g_a/profile"];
      // A conversation that is called as the user is, and users whose ids are near.
      const others = ["g_a/conversation/inc", "g_aa/2026-01/inc", "g_/profile/inc", "g_a:/2026-01/inc"];
      const keys = await Promise.all([...theirs, ...others].map((id) => store.obtain(id)));
      expect(await store.isErased("g_a")).toBe(false);
      expect([...(await store.destroy("g_a"))].sort()).toEqual([...theirs].sort());
      for (const open of [() => store, opened.reopen]) {
        const each = await open();
        for (const id of theirs) {
          expect(each.cached(id), id).toBeUndefined();
          expect(await each.find(id), id).toBeUndefined();
        }
        await expect(each.obtain("g_a/2026-12/inc")).rejects.toMatchObject({ code: "UNAVAILABLE" });
        for (const [i, id] of others.entries()) expect(await each.obtain(id)).toEqual(keys[theirs.length + i]);
        expect(await each.isErased("g_a")).toBe(true);
        expect(await each.destroy("g_a")).toEqual([]);
      }
    });
  });
};
