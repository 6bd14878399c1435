/** The tree in tiles (`TreeStore`): how they grow by leaves, and how any subtree's hash is found in them. */
import { asPosition, type Position } from "../../domain/kernel/stream.js";
import type { Tile, TreeReads } from "../../projections/ports/tree-store.js";
import { emptyRoot, growTree, hashBytes, leftLeaves, nodeHash, type Hash, type Range } from "../merkle.js";

export const tileHashes = 256;
const positionBytes = 8;
export const positionsLevel = -1;

/** The tiles that are not full yet, by level; `leaves` says how full each must be. */
export type OpenTiles = Map<number, Buffer[]>;

export type GrowingTiles = {
  readonly push: (leaf: Hash, position: Position) => void;
  readonly size: () => number;
  /** What has changed since it was asked the last time. */
  readonly take: () => readonly Tile[];
};

/** Goes on from `size` leaves. @throws Error when the store lacks a tile that a tree of that size has */
export const growTiles = async (reads: Pick<TreeReads, "tile">, size: number): Promise<GrowingTiles> => {
  const open = await openTilesOf(reads, size);
  let leaves = size;
  const full: Tile[] = [];
  const touched = new Set<number>();
  const add = (level: number, entry: Buffer, index: number): void => {
    const entries = open.get(level) ?? [];
    entries.push(entry);
    open.set(level, entries);
    touched.add(level);
    if (entries.length < tileHashes) return;
    const tile = Math.floor(index / tileHashes);
    full.push({ level, index: tile, bytes: Buffer.concat(entries) });
    open.set(level, []);
    touched.delete(level);
    if (level >= 0) add(level + 1, rootOfHashes(entries), tile);
  };
  return {
    push: (leaf, position) => {
      add(0, leaf, leaves);
      add(positionsLevel, positionEntry(position), leaves);
      leaves += 1;
    },
    size: () => leaves,
    take: () => {
      const rest = [...touched].map((level) => {
        const index = Math.floor(leaves / tileHashes ** (Math.max(level, 0) + 1));
        return { level, index, bytes: Buffer.concat(open.get(level) ?? []) };
      });
      touched.clear();
      return [...full.splice(0), ...rest];
    },
  };
};

const openTilesOf = async (reads: Pick<TreeReads, "tile">, size: number): Promise<OpenTiles> => {
  const open: OpenTiles = new Map();
  const load = async (level: number, entryBytes: number, entries: number): Promise<void> => {
    const left = entries % tileHashes;
    if (left === 0) return;
    open.set(level, entriesOf(await needTile(reads, level, Math.floor(entries / tileHashes), left * entryBytes), left));
  };
  await load(positionsLevel, positionBytes, size);
  for (let level = 0, entries = size; entries > 0; level += 1, entries = Math.floor(entries / tileHashes))
    await load(level, hashBytes, entries);
  return open;
};

const needTile = async (
  reads: Pick<TreeReads, "tile">,
  level: number,
  index: number,
  bytes: number,
): Promise<Buffer> => {
  const tile = await reads.tile(level, index);
  if (tile === undefined || tile.length < bytes) throw new IncompleteTree(level, index);
  return tile.subarray(0, bytes);
};

/** The store does not hold what its checkpoint says. */
export class IncompleteTree extends Error {
  constructor(level: number, index: number) {
    super(`the tree's hashes are not whole: tile ${index} of level ${level} is missing or short`);
    this.name = "IncompleteTree";
  }
}

/** Undefined where the store does not hold what its checkpoint says; whatever else fails is the caller's to know. */
export const ifWhole = async <A>(read: Promise<A>): Promise<A | undefined> => {
  try {
    return await read;
  } catch (error) {
    if (error instanceof IncompleteTree) return undefined;
    throw error;
  }
};

const entriesOf = (tile: Buffer, count: number): Buffer[] => {
  const bytes = tile.length / count;
  return Array.from({ length: count }, (_, index) => tile.subarray(index * bytes, (index + 1) * bytes));
};

const positionEntry = (position: Position): Buffer => {
  const entry = Buffer.alloc(positionBytes);
  entry.writeBigUInt64BE(BigInt(position));
  return entry;
};

const rootOfHashes = (hashes: readonly Hash[]): Hash => {
  const tree = growTree();
  for (const hash of hashes) tree.push(hash);
  return tree.root();
};

/** The hash of the leaves of a range, as a proof has it: of a complete subtree, or of what is at the tree's right edge. */
export const rangeHash = async (reads: Pick<TreeReads, "tile">, [start, end]: Range): Promise<Hash> => {
  const leaves = end - start;
  if (leaves === 0) return emptyRoot();
  if (!Number.isInteger(Math.log2(leaves))) {
    const middle = start + leftLeaves(leaves);
    return nodeHash(await rangeHash(reads, [start, middle]), await rangeHash(reads, [middle, end]));
  }
  let level = 0;
  let [first, count] = [start, leaves];
  while (count >= tileHashes) [level, first, count] = [level + 1, first / tileHashes, count / tileHashes];
  const at = first % tileHashes;
  const tile = await needTile(reads, level, Math.floor(first / tileHashes), (at + count) * hashBytes);
  return rootOfHashes(entriesOf(tile.subarray(at * hashBytes), count));
};

/** The hash of the leaf of an index. @throws IncompleteTree */
export const leafHashAt = async (reads: Pick<TreeReads, "tile">, index: number): Promise<Hash> => {
  const at = (index % tileHashes) * hashBytes;
  const tile = await needTile(reads, 0, Math.floor(index / tileHashes), at + hashBytes);
  return tile.subarray(at, at + hashBytes);
};

/** The position of the leaf of an index. @throws IncompleteTree */
export const positionOfLeaf = async (reads: Pick<TreeReads, "tile">, index: number): Promise<Position> => {
  const at = (index % tileHashes) * positionBytes;
  const tile = await needTile(reads, positionsLevel, Math.floor(index / tileHashes), at + positionBytes);
  return asPosition(Number(tile.readBigUInt64BE(at)));
};

/** The index of the leaf at a position, by halving; undefined when no leaf is there. */
export const leafAt = async (
  reads: Pick<TreeReads, "tile">,
  size: number,
  position: Position,
): Promise<number | undefined> => {
  let [low, high] = [0, size];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((await positionOfLeaf(reads, middle)) < position) low = middle + 1;
    else high = middle;
  }
  return low < size && (await positionOfLeaf(reads, low)) === position ? low : undefined;
};
