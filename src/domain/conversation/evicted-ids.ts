import type { Chunk, Chunks } from "../kernel/chunks.snapshot.js";

/**
 * Which message ids may be older than the window: a Bloom filter that grows. A miss is certain and costs no I/O; a hit
 * is looked up. Message ids are digests already, so their first and last 32 bits serve as hashes.
 *
 * Some 4 bytes an id; a new id is taken for an old one about twice in a million for each block (16,384 ids).
 */
export type EvictedIds = { readonly blocks: Block[] };

type Block = { readonly bits: Uint8Array; count: number };

const bitsPerId = 32;
const hashes = 10;
const firstBlockIds = 1_024;
const blockIdsMax = 16_384;

export const noEvictedIds = (): EvictedIds => ({ blocks: [] });

/** @param first @param last words of the id, as `wordsOf` has them */
export const addEvicted = (evicted: EvictedIds, first: number, last: number): void => {
  let block = evicted.blocks.at(-1);
  if (block === undefined || block.count >= idsOf(block)) {
    const ids = Math.min(blockIdsMax, block === undefined ? firstBlockIds : idsOf(block) * 2);
    block = { bits: new Uint8Array((ids * bitsPerId) / 8), count: 0 };
    evicted.blocks.push(block);
  }
  const { bits } = block;
  for (let i = 0; i < hashes; i += 1) {
    const bit = bitOf(bits, first, last, i);
    bits[bit >>> 3] = (bits[bit >>> 3] ?? 0) | (1 << (bit & 7));
  }
  block.count += 1;
};

/** @param first @param last words of the id, as `wordsOf` has them */
export const mayBeEvicted = ({ blocks }: EvictedIds, first: number, last: number): boolean => {
  for (const { bits } of blocks) if (hasAll(bits, first, last)) return true;
  return false;
};

const hasAll = (bits: Uint8Array, first: number, last: number): boolean => {
  for (let i = 0; i < hashes; i += 1) {
    const bit = bitOf(bits, first, last, i);
    if (((bits[bit >>> 3] ?? 0) & (1 << (bit & 7))) === 0) return false;
  }
  return true;
};

/** Double hashing. What overflows 32 bits does not matter: the number of bits is a power of two, and no larger. */
const bitOf = (bits: Uint8Array, first: number, last: number, i: number): number =>
  (first + Math.imul(i, last | 1)) & (bits.length * 8 - 1);

/** Ids of each block. */
export type EvictedCounts = readonly number[];

/** A full block never changes again; the last one is copied, since later events set bits in it. */
export const evictedChunks = (
  evicted: EvictedIds,
): { readonly chunks: readonly Chunk[]; readonly counts: EvictedCounts } => ({
  counts: evicted.blocks.map(({ count }) => count),
  chunks: evicted.blocks.map((block, index) => {
    const fixed = block.count >= idsOf(block);
    const bits = fixed ? block.bits : block.bits.slice();
    return { name: `older/${index}`, fixed, data: () => bits };
  }),
});

/** @throws Error when a block is missing */
export const evictedFrom = (chunks: Chunks, counts: EvictedCounts): EvictedIds => ({
  blocks: counts.map((count, index) => {
    const bits = chunks.get(`older/${index}`);
    if (bits === undefined) throw new Error(`the snapshot has no chunk older/${index}`);
    // A copy: what a store hands out may be a part of a larger buffer, which it would keep alive.
    return { bits: new Uint8Array(bits), count };
  }),
});

/** Bytes in memory. */
export const evictedBytes = (evicted: EvictedIds): number =>
  evicted.blocks.reduce((sum, { bits }) => sum + bits.length, 0);

const idsOf = ({ bits }: Block): number => (bits.length * 8) / bitsPerId;
