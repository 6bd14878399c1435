import { isMessageId, type MessageId } from "../../src/domain/kernel/ids.js";
import { limits } from "../../src/domain/kernel/limits.js";
import { firstRevision, type Revision } from "../../src/domain/kernel/stream.js";
import type { EvictedIds } from "../../src/domain/conversation/evicted-ids.js";
import type { RecentMessage } from "../../src/domain/conversation/recent.js";

/**
 * What a conversation remembers of its newest messages, the obvious way: an object for each in a Map, and a filter of the
 * evicted ids that is hashed from their texts. `recent.ts` has to answer the same.
 */
export type Remembered = {
  readonly byId: Map<MessageId, RecentMessage>;
  /** Ascending pos. */
  order: readonly RecentMessage[];
  readonly evicted: EvictedIds;
  readonly gone: Set<MessageId>;
};

export const nothingRemembered = (): Remembered => ({
  byId: new Map(),
  order: [],
  evicted: { blocks: [] },
  gone: new Set(),
});

export const rememberAll = (remembered: Remembered, messages: readonly RecentMessage[]): void => {
  for (const message of messages) remembered.byId.set(message.messageId, message);
  const all = [...remembered.order, ...messages];
  const excess = Math.max(0, all.length - limits.recentMessagesMax);
  remembered.order = all.slice(excess);
  for (const { messageId } of all.slice(0, excess)) {
    remembered.byId.delete(messageId);
    remembered.gone.add(messageId);
    addEvicted(remembered.evicted, messageId);
  }
};

export const startOf = ({ order, evicted }: Remembered): Revision =>
  evicted.blocks.length === 0 ? firstRevision : (order[0]?.pos ?? firstRevision);

export const mayBeGone = ({ evicted }: Remembered, messageId: MessageId): boolean =>
  evicted.blocks.some(({ bits }) =>
    bitsOf(bits, messageId).every((bit) => ((bits[bit >>> 3] ?? 0) & (1 << (bit & 7))) !== 0),
  );

const bitsPerId = 32;
const firstBlockIds = 1_024;
const blockIdsMax = 16_384;

const addEvicted = ({ blocks }: EvictedIds, messageId: MessageId): void => {
  let block = blocks.at(-1);
  const ids = block === undefined ? 0 : (block.bits.length * 8) / bitsPerId;
  if (block === undefined || block.count >= ids) {
    const next = block === undefined ? firstBlockIds : Math.min(blockIdsMax, ids * 2);
    blocks.push((block = { bits: new Uint8Array((next * bitsPerId) / 8), count: 0 }));
  }
  const { bits } = block;
  for (const bit of bitsOf(bits, messageId)) bits[bit >>> 3] = (bits[bit >>> 3] ?? 0) | (1 << (bit & 7));
  block.count += 1;
};

/** Ten, by double hashing of the first and the last eight digits, without the tricks of 32 bits. Ids that are none are one. */
const bitsOf = (bits: Uint8Array, messageId: MessageId): readonly number[] => {
  const id = isMessageId(messageId) ? messageId : "00000000-0000-0000-0000-000000000000";
  const first = BigInt(`0x${id.slice(0, 8)}`);
  const step = BigInt(`0x${id.slice(28, 36)}`) | 1n;
  return Array.from({ length: 10 }, (_, i) => Number((first + BigInt(i) * step) % BigInt(bits.length * 8)));
};
