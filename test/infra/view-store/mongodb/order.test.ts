import type { Db } from "mongodb";
import { describe, expect, it } from "vitest";
import { isUserId } from "../../../../src/domain/kernel/ids.js";
import { byBytes } from "../../../../src/infra/engines/by-bytes.js";
import { createKeyDocuments } from "../../../../src/infra/key-store/mongodb/documents.js";
import { indexes } from "../../../../src/infra/view-store/mongodb/indexes.js";
import { changesWriter } from "../../../../src/infra/view-store/mongodb/writer.js";
import { assign, raise } from "../../../../src/projections/view-change.js";

/** What a stand-in takes and MongoDB does not, or orders otherwise: what no test on a server here can see. */

type Operation = {
  readonly updateOne: { readonly filter: { readonly _id: string }; readonly update: { readonly $setOnInsert: object } };
};

/** Keeps what bulks write, in their order; what is looked for is there once it was written. */
const recording = () => {
  const bulks: string[][] = [];
  const stored = new Map<string, object>();
  const collection = () => ({
    bulkWrite: (operations: readonly Operation[]) => {
      bulks.push(operations.map(({ updateOne }) => updateOne.filter._id));
      for (const { updateOne } of operations) stored.set(updateOne.filter._id, updateOne.update.$setOnInsert);
      return Promise.resolve();
    },
    find: ({ _id }: { readonly _id: { readonly $in: readonly string[] } }) => ({
      toArray: () => Promise.resolve(_id.$in.flatMap((id) => (stored.has(id) ? [{ _id: id, ...stored.get(id) }] : []))),
    }),
  });
  return { bulks, db: { collection } as unknown as Db };
};

describe("bulk writes go by id, in whatever order the changes came", () => {
  it("of views", async () => {
    const { bulks, db } = recording();
    const write = changesWriter(db, () => undefined);
    const rows = ["g_c", "g_a", "g_b"].flatMap((id) => [
      raise("messages", [id, 2], { updatedPos: 1 }),
      raise("messages", [id, 1], { updatedPos: 1 }),
      ...["😀", "\uFF5E", "b"].map((emoji) => assign("reactions", [id, 1, emoji, "alice"], { present: true }, 1)),
    ]);
    await write(rows, [1]);
    await write(rows.toReversed(), [1]);
    expect(bulks).toHaveLength(4);
    for (const ids of bulks) expect(ids).toEqual(ids.toSorted(byBytes));
    expect(bulks[2]).toEqual(bulks[0]);
  });

  it("of keys", async () => {
    const { bulks, db } = recording();
    const keys = createKeyDocuments(db, [Buffer.alloc(32, 7)]);
    expect((await keys.obtain(["user:c", "user:a", "user:b"])).size).toBe(3);
    expect(bulks).toEqual([["user:a", "user:b", "user:c"]]);
  });
});

describe("strings", () => {
  it("are ordered by bytes where the order is MongoDB's, whatever JavaScript says", () => {
    const strings = ["a", "\uFF5E", "😀", "b", "é"];
    expect(strings.toSorted(byBytes)).toEqual(["a", "b", "é", "\uFF5E", "😀"]);
  });

  it("that are ids are ASCII, whose order is the same everywhere, and hold nothing before the end of a range of rows", () => {
    const held = Array.from({ length: 0x1_0000 }, (_, unit) => String.fromCharCode(unit)).filter((one) =>
      isUserId(`a${one}`),
    );
    expect(held.length).toBeGreaterThan(60);
    for (const one of held) expect([one > "!", one < "\u007F"]).toEqual([true, true]);
  });
});

/** All that ever were, with a release or without: MongoDB refuses to start with other keys under a name that it knows. */
const everMade: Readonly<Record<string, object>> = {
  "members by_user": { userId: 1 },
  "members by_delivered": { conversationId: 1, "present.x": 1, deliveredUpTo: 1 },
  "members by_read": { conversationId: 1, "present.x": 1, shownReadUpTo: 1 },
  "messages by_sender": { senderId: 1, conversationId: 1, sequence: 1 },
  "messages deleted": { conversationId: 1, sequence: 1, senderId: 1 },
  "messages by_message_id": { messageId: 1 },
  "reactions by_digest": { conversationId: 1, sequence: 1, digest: 1, "present.x": 1, "present.v": 1 },
  "reactions by_emoji": { conversationId: 1, sequence: 1, emoji: 1, "present.x": 1, "present.v": 1 },
  "users erased": { "erasedPosition.x": 1 },
};

const everPartial: Readonly<Record<string, object>> = {
  "messages deleted": { "deletedAt.x": { $gte: 0 } },
  "users erased": { "erasedPosition.x": { $gte: 0 } },
};

describe("an index", () => {
  it("that changes gets another name: none has other keys, or other options, than it ever had", () => {
    const now = Object.entries(indexes).flatMap(([view, of]) =>
      of.map((index) => [`${view} ${index.name}`, index] as const),
    );
    for (const [name, { key, partialFilterExpression, unique }] of now) {
      expect(everMade).toHaveProperty([name]);
      expect(JSON.stringify(key)).toBe(JSON.stringify(everMade[name]));
      expect([partialFilterExpression, unique]).toEqual([everPartial[name], undefined]);
    }
  });
});
