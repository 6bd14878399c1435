/** Hashes that are lost or damaged are made again from the log, without a restart and without an operator. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { openTreeKeeper } from "../../../src/audit/tree/keeper.js";
import { IncompleteTree } from "../../../src/audit/tree/tiles.js";
import { noPosition } from "../../../src/domain/kernel/stream.js";
import { openSqliteTree } from "../../../src/infra/tree-store/sqlite/tree-store.js";
import type { TreeStore } from "../../../src/projections/ports/tree-store.js";
import { openLogKit } from "../../kit/log.js";
import { appendLeaves, memoryTree } from "../../kit/tree.js";

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const logOf = async (leaves: number) => {
  const kit = await openLogKit();
  closers.push(kit.dispose);
  await appendLeaves(kit.log, leaves);
  const keeperOf = (store: TreeStore) => openTreeKeeper({ source: kit.log, store, epoch: "e" });
  const rootBy = async (store: TreeStore) => {
    const keeper = await keeperOf(store);
    const { size } = (await keeper.catchUp()).checkpoint;
    return { size, root: (await keeper.root(size)).toString("hex") };
  };
  return { log: kit.log, keeperOf, rootBy };
};

describe("the tree's keeper", () => {
  it("goes on after a write that failed, from what is there", async () => {
    const { log, keeperOf, rootBy } = await logOf(300);
    const store = memoryTree();
    let fails = false;
    const keeper = await keeperOf({
      ...store,
      // The tiles are there, and how far they go was not written any more.
      write: async (tiles, next) => {
        await store.write(tiles, fails ? ((await store.checkpoint()) ?? next) : next);
        if (fails) throw new Error("away");
      },
    });
    await keeper.catchUp();
    await appendLeaves(log, 300);
    fails = true;
    await expect(keeper.catchUp()).rejects.toThrow("away");
    fails = false;
    expect((await keeper.catchUp()).checkpoint.size).toBe(600);
    expect(await rootBy(memoryTree())).toEqual({ size: 600, root: (await keeper.root(600)).toString("hex") });
  });

  it("begins anew by itself when a tile is gone after a write that failed", async () => {
    const { log, keeperOf, rootBy } = await logOf(300);
    const store = memoryTree();
    let isDamaged = false;
    const keeper = await keeperOf({
      ...store,
      write: (tiles, next) => (isDamaged ? Promise.reject(new Error("away")) : store.write(tiles, next)),
      tile: (level, index) => (isDamaged ? Promise.resolve(undefined) : store.tile(level, index)),
      clear: () => {
        isDamaged = false;
        return store.clear();
      },
    });
    await keeper.catchUp();
    await appendLeaves(log, 10);
    isDamaged = true;
    await expect(keeper.catchUp()).rejects.toThrow("away");
    await expect(keeper.catchUp()).rejects.toThrow(IncompleteTree);
    expect((await keeper.catchUp()).checkpoint.size).toBe(310);
    expect(await rootBy(memoryTree())).toEqual({ size: 310, root: (await keeper.root(310)).toString("hex") });
  });

  it("leaves nothing of another log, also where only its tiles are left", async () => {
    const { keeperOf } = await logOf(1);
    const store = memoryTree();
    await store.write([{ level: 0, index: 0, bytes: Buffer.alloc(64) }], { position: noPosition, size: 2, epoch: "e" });
    await keeperOf({ ...store, checkpoint: () => Promise.resolve(undefined) });
    expect(await store.tile(0, 0)).toBeUndefined();
  });

  it("makes a file anew whose pages are damaged, while it has it open and at a start", async () => {
    const { log, keeperOf, rootBy } = await logOf(2_000);
    const expected = await rootBy(memoryTree());
    const path = join(mkdtempSync(join(tmpdir(), "parley-tree-")), "tree.db");
    closers.push(() => {
      rmSync(join(path, ".."), { recursive: true });
    });
    const closed = openSqliteTree(path);
    await rootBy(closed);
    closed.close();
    damagePages(path);
    const store = openSqliteTree(path);
    closers.push(store.close);
    // Whatever meets the damage rejects; what comes after finds a store that is whole, and empty.
    const roots: string[] = [];
    for (let tries = 0; tries < 5 && roots.length === 0; tries += 1)
      await rootBy(store).then(
        ({ root }) => roots.push(root),
        (error: unknown) => {
          expect(error).toBeInstanceOf(Error);
        },
      );
    expect(roots).toEqual([expected.root]);
    const keeper = await keeperOf(store);
    await appendLeaves(log, 1);
    expect((await keeper.catchUp()).checkpoint.size).toBe(2_001);
  });
});

/** All but the first page, which says that it is a file of SQLite's and of which schema. */
const damagePages = (path: string): void => {
  writeFileSync(path, readFileSync(path).fill(0xa5, 4_096));
};
