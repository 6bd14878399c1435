import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { directConversationId, groupConversationId } from "../../src/domain/kernel/ids.js";
import { streamOf } from "../../src/domain/kernel/stream.js";
import { partitionOf } from "../../src/projections/partitions.js";
import { seed, withSeed } from "../kit/seed.js";

const counts = fc.integer({ min: 1, max: 256 });

/** Checkpoints are stored by partition: a hash that changes leaves events out. These values are for ever. */
const golden: readonly (readonly [stream: string, of8: number, of256: number])[] = [
  ["conversation-d_direct", 5, 221],
  ["conversation-g_0123456789abcdefghijkl", 4, 20],
  ["receipts-g_0123456789abcdefghijkl", 4, 20],
  ["user-alice", 7, 231],
  ["user-Zoë", 7, 151],
  ["user-用户-🙂", 4, 180],
  ["user-", 5, 197],
  ["parley-log", 1, 81],
];

describe("partitions", () => {
  it.each(golden)("%s stays where it is", (stream, of8, of256) => {
    expect([partitionOf(stream, 8), partitionOf(stream, 256)]).toEqual([of8, of256]);
  });

  it(`holds a conversation and its receipts together, and every user, within the count (seed ${seed})`, () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), counts, (id, count) => {
        const partition = partitionOf(streamOf.conversation(id), count);
        expect(partitionOf(streamOf.receipts(id), count)).toBe(partition);
        expect(partitionOf(streamOf.user(id), count)).toBe(partition);
        expect(Number.isInteger(partition) && partition >= 0 && partition < count).toBe(true);
      }),
      withSeed({ numRuns: 200 }),
    );
  });

  it.each([
    [
      "direct conversations",
      (i: number) => streamOf.conversation(directConversationId(`user-${i}`, `user-${i * 7 + 1}`)),
    ],
    ["groups", () => streamOf.conversation(groupConversationId("alice", { random: randomUUID() }))],
    ["users by number", (i: number) => streamOf.user(`user-${i}`)],
    ["users by address", (i: number) => streamOf.user(`name${i}@example.org`)],
  ])("shares %s evenly", (_what, stream) => {
    const each = 1_000;
    for (const count of [2, 3, 8, 24]) {
      const sizes = new Array<number>(count).fill(0);
      for (let i = 0; i < count * each; i += 1) {
        const partition = partitionOf(stream(i), count);
        sizes[partition] = (sizes[partition] ?? 0) + 1;
      }
      // Chance alone spreads 1,000 by some 32; this is seven times that.
      for (const size of sizes) expect(Math.abs(size - each)).toBeLessThan(225);
    }
  });
});
