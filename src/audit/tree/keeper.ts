/** Keeps the tree's hashes as the log grows: reads on, page by page, hashes, writes. Beside the log, never in its way. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { asPosition, noPosition, streamOf, type Position, type RecordedEvent } from "../../domain/kernel/stream.js";
import type { EventSource } from "../../projections/ports/event-source.js";
import type { TreeCheckpoint, TreeStore } from "../../projections/ports/tree-store.js";
import { canonicalOf, isLeaf } from "../canonical.js";
import { leafHash, type Hash } from "../merkle.js";
import { growTiles, IncompleteTree, positionOfLeaf, rangeHash, type GrowingTiles } from "./tiles.js";

export type TreeKeeperOptions = {
  readonly source: Pick<EventSource, "readAll" | "head">;
  readonly store: TreeStore;
  readonly epoch: string;
};

export type TreeKeeper = {
  /**
   * Reads on, some ten thousand events at most; whether that was the log's end. One call at a time. Rejects with the log's
   * or the store's error; then it is asked again. Where hashes turn out to be damaged, by this or the calls below, it
   * rejects with IncompleteTree and has begun anew.
   */
  readonly catchUp: () => Promise<Grown>;
  /** Of the first `size` leaves, which it has come to. */
  readonly root: (size: number) => Promise<Hash>;
  /** Whether there is a leaf from this one on that is not of `parley-tree`: for those alone no head is worth signing. */
  readonly hasOthersSince: (size: number) => Promise<boolean>;
};

export type Grown = { readonly checkpoint: TreeCheckpoint; readonly isAtEnd: boolean };

/** Some milliseconds of a thread that others share. */
const pageEvents = 250;
const pagesMax = 40;

/** @throws what the store throws; what it holds of another log or incarnation is forgotten */
export const openTreeKeeper = async ({ source, store, epoch }: TreeKeeperOptions): Promise<TreeKeeper> => {
  const begun = await resumed(store, epoch, await source.head());
  let { checkpoint } = begun;
  let growing: GrowingTiles | undefined = begun.tiles;

  /** Hashes that are damaged, or that a write which failed left behind, are made again from the log, all of them. */
  const mending = async <A>(work: () => Promise<A>): Promise<A> => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof IncompleteTree) {
        await store.clear();
        checkpoint = { position: noPosition, size: 0, epoch };
        growing = undefined;
      }
      throw error;
    }
  };
  const take = async (page: readonly RecordedEvent[], position: Position): Promise<void> => {
    const tiles = growing ?? (await growTiles(store, checkpoint.size));
    // What cannot be written is hashed again, from what is.
    growing = undefined;
    for (const event of page) if (isLeaf(event.stream)) tiles.push(leafHash(canonicalOf(event)), event.position);
    const next = { position, size: tiles.size(), epoch };
    await store.write(tiles.take(), next);
    checkpoint = next;
    growing = tiles;
  };
  const catchUp = async (): Promise<Grown> => {
    for (let pages = 0; pages < pagesMax; pages += 1) {
      const page = await source.readAll(checkpoint.position, pageEvents);
      const last = page.at(-1);
      if (last !== undefined) await take(page, last.position);
      if (page.length < pageEvents) return { checkpoint, isAtEnd: true };
      await nextTurn();
    }
    return { checkpoint, isAtEnd: false };
  };
  const hasOthersSince = async (size: number): Promise<boolean> => {
    if (size >= checkpoint.size) return false;
    let after = asPosition((await positionOfLeaf(store, size)) - 1);
    // Between two heads there is hardly more of `parley-tree` than the head itself.
    for (;;) {
      const page = await source.readAll(after, pageEvents);
      const known = page.filter(({ position }) => position <= checkpoint.position);
      if (known.some(({ stream }) => stream !== streamOf.tree && isLeaf(stream))) return true;
      const last = known.at(-1);
      if (last === undefined || known.length < pageEvents) return false;
      after = last.position;
    }
  };
  return {
    catchUp: () => mending(catchUp),
    root: (size) => mending(() => rangeHash(store, [0, size])),
    hasOthersSince: (size) => mending(() => hasOthersSince(size)),
  };
};

const resumed = async (
  store: TreeStore,
  epoch: string,
  head: Position,
): Promise<{ checkpoint: TreeCheckpoint; tiles: GrowingTiles }> => {
  const none = { position: noPosition, size: 0, epoch };
  const found = await store.checkpoint();
  if (found?.epoch === epoch && found.position <= head) {
    try {
      return { checkpoint: found, tiles: await growTiles(store, found.size) };
    } catch (error) {
      if (!(error instanceof IncompleteTree)) throw error;
    }
  }
  // Also where there is no checkpoint: tiles of another log may have outlived it.
  await store.clear();
  return { checkpoint: none, tiles: await growTiles(store, 0) };
};
