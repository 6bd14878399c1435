/** What every `SnapshotStore` promises (commands/ports.ts), as one executable suite: each adapter's test runs it. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SnapshotStore } from "../../src/commands/ports.js";
import type { Chunk } from "../../src/domain/kernel/chunks.snapshot.js";
import { asRevision } from "../../src/domain/kernel/stream.js";

export type OpenedSnapshotStore = {
  readonly store: SnapshotStore;
  /** Closes the store and opens it again on the same data. */
  readonly reopen: () => Promise<SnapshotStore>;
  readonly close: () => Promise<void>;
};

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
export const chunk = (name: string, text: string, fixed = false): Chunk => ({ name, fixed, data: () => bytesOf(text) });
export const snapshotOf = (revision: number, ...chunks: readonly Chunk[]) => ({
  version: 1,
  revision: asRevision(revision),
  eventId: `event-${revision}`,
  chunks,
});
const textsIn = async (store: SnapshotStore, stream: string, version = 1) => {
  const found = await store.load(stream, version);
  return found && Object.fromEntries([...found.chunks].map(([name, data]) => [name, new TextDecoder().decode(data)]));
};

export const snapshotStoreContract = (name: string, open: () => Promise<OpenedSnapshotStore>): void => {
  describe(`${name} as a snapshot store`, () => {
    let opened: OpenedSnapshotStore;
    let store: SnapshotStore;
    beforeEach(async () => {
      opened = await open();
      ({ store } = opened);
    });
    afterEach(() => opened.close());

    it("answers what was saved last, each stream for itself, also after it was opened again", async () => {
      expect(await store.load("s", 1)).toBeUndefined();
      await store.save("s", snapshotOf(3, chunk("a", "1"), chunk("b", "2")));
      await store.save("t", snapshotOf(9, chunk("a", "other")));
      const expected = { version: 1, revision: asRevision(3), eventId: "event-3" };
      expect(await store.load("s", 1)).toMatchObject(expected);
      const again = await opened.reopen();
      expect(await again.load("s", 1)).toMatchObject(expected);
      expect(await textsIn(again, "s")).toEqual({ a: "1", b: "2" });
      expect(await textsIn(again, "t")).toEqual({ a: "other" });
    });

    it("replaces the whole snapshot: chunks that are no longer named are gone", async () => {
      await store.save("s", snapshotOf(3, chunk("a", "1"), chunk("b", "2"), chunk("c", "3", true)));
      await store.save("s", snapshotOf(5, chunk("b", "two")));
      expect(await textsIn(store, "s")).toEqual({ b: "two" });
      expect((await store.load("s", 1))?.revision).toBe(5);
    });

    it("does not ask for a fixed chunk that it has", async () => {
      let asked = 0;
      const fixed: Chunk = { name: "f", fixed: true, data: () => (asked++, bytesOf("fixed")) };
      for (const revision of [1, 2, 3]) await store.save("s", snapshotOf(revision, fixed, chunk("h", `${revision}`)));
      expect(asked).toBe(1);
      expect(await textsIn(store, "s")).toEqual({ f: "fixed", h: "3" });
    });

    it("keeps versions apart: another one's snapshot is none, and its fixed chunks are written anew", async () => {
      await store.save("s", snapshotOf(3, chunk("f", "one", true)));
      expect(await store.load("s", 2)).toBeUndefined();
      await store.save("s", { ...snapshotOf(3, chunk("f", "two", true)), version: 2 });
      expect(await store.load("s", 1)).toBeUndefined();
      expect(await textsIn(store, "s", 2)).toEqual({ f: "two" });
    });

    it("holds chunks of a megabyte and many of them", async () => {
      const data = new Uint8Array(1024 * 1024).fill(7);
      await store.save("s", snapshotOf(1, { name: "big", fixed: false, data: () => data }));
      expect((await store.load("s", 1))?.chunks.get("big")?.length).toBe(data.length);
      const many = Array.from({ length: 500 }, (_, index) => chunk(`c/${index}`, `${index}`));
      await store.save("s", snapshotOf(2, ...many));
      expect((await store.load("s", 1))?.chunks.size).toBe(500);
    });
  });
};
