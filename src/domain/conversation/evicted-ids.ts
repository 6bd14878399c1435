import type { Chunk, Chunks } from "../kernel/chunks.snapshot.js";
import type { MessageId } from "../kernel/ids.js";

/**
 * Which message ids may be older than the window: a Bloom filter that grows. A miss is certain and costs no I/O; a hit
 * is looked up. Message ids are digests already, so their own hex digits serve as hashes.
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

export const addEvicted = (evicted: EvictedIds, messageId: MessageId): void => {
  let block = evicted.blocks.at(-1);
  if (block === undefined || block.count >= idsOf(block)) {
    const ids = Math.min(blockIdsMax, block === undefined ? firstBlockIds : idsOf(block) * 2);
    block = { bits: new Uint8Array((ids * bitsPerId) / 8), count: 0 };
    evicted.blocks.push(block);
  }
  const { bits } = block;
  forEachBit(bits, messageId, (byte, mask) => {
    bits[byte] = (bits[byte] ?? 0) | mask;
    return true;
  });
  block.count += 1;
};

export const mayBeEvicted = (evicted: EvictedIds, messageId: MessageId): boolean =>
  evicted.blocks.some(({ bits }) => forEachBit(bits, messageId, (byte, mask) => ((bits[byte] ?? 0) & mask) !== 0));

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

/** Double hashing over a power of two of bits; ends with false as soon as `visit` says false. */
const forEachBit = (bits: Uint8Array, id: MessageId, visit: (byte: number, mask: number) => boolean): boolean => {
  const size = bits.length * 8;
  const first = parseInt(id.slice(0, 8), 16);
  // `|` answers a signed number: without `>>> 0` every other id would be looked for at negative places.
  const step = (parseInt(id.slice(28, 36), 16) | 1) >>> 0;
  for (let i = 0; i < hashes; i += 1) {
    const bit = (first + i * step) % size;
    if (!visit(bit >>> 3, 1 << (bit & 7))) return false;
  }
  return true;
};
