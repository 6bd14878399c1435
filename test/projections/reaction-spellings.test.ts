/**
 * Of before there was a rule: one emoji in the log in two spellings, and reactions that are none. Of before they were
 * sealed: in plain text, beside those of today.
 */
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, it } from "vitest";
import { encodeEvent, type DomainEvent } from "../../src/domain/catalogue.js";
import { emojiKey } from "../../src/domain/conversation/emoji.js";
import { asRevision, firstRevision, noPosition, noRevision, streamOf } from "../../src/domain/kernel/stream.js";
import type { MessageName } from "../../src/commands/commands.js";
import { emojiBefore } from "../kit/reactions.js";
import { asBefore } from "../kit/texts.js";
import { by, openReadSide, right, send, startDirect, type ReadSide } from "./delivery/delivery-kit.js";

let side: ReadSide;
beforeEach(async () => {
  side = await openReadSide();
});
afterEach(() => side.dispose());

const heart = "❤\ufe0f";
const plainHeart = "❤";

const reacted = (type: "ReactionAdded" | "ReactionRemoved", name: MessageName, emoji: string, userId: string) => {
  const event: DomainEvent = {
    ...{ type, id: randomUUID(), at: Date.now(), by: { kind: "user", userId, deviceId: "phone" } },
    ...{ messageId: name.messageId, sequence: 1, ...emojiBefore(emoji) },
  };
  const { id, type: stored, data, meta } = encodeEvent(event, { commandId: "c", correlationId: "c" });
  return asBefore({ id, type: stored, data, meta, stream: "", revision: firstRevision, position: noPosition });
};

/** What an older version has left behind, behind the back of the commands' memory: a conflict makes them read it. */
const leftBehind = async (name: MessageName, ...events: Parameters<typeof reacted>[]) => {
  const stream = streamOf.conversation(name.conversationId);
  const [newest] = await side.log.readStream(stream, noRevision, 1, "backwards");
  const encoded = events.map((event) => reacted(...event));
  expect(await side.log.append(stream, asRevision(newest?.revision ?? -1), encoded)).toMatchObject({
    kind: "appended",
  });
};

const reactionsOf = async ({ conversationId }: MessageName) => {
  right(await side.queries.awaitCaughtUp(await side.log.head()));
  const page = right(await side.queries.history({ userId: "alice", deviceId: "phone" }, conversationId, { limit: 1 }));
  return page.messages[0]?.reactions;
};

const heartsOf = async (name: MessageName) =>
  (await reactionsOf(name))?.find(({ emoji }) => emojiKey(emoji) === plainHeart);

it("are counted together with those of today, and can be taken back", async () => {
  const conversationId = await startDirect(side, "alice", "bob");
  const { messageId } = await send(side, conversationId, "alice", "hearts");
  const name = { conversationId, messageId };
  await leftBehind(
    name,
    ["ReactionAdded", name, heart, "alice"],
    ["ReactionAdded", name, plainHeart, "alice"],
    ["ReactionAdded", name, plainHeart, "bob"],
    ["ReactionAdded", name, " \u202e", "bob"],
  );
  expect(await reactionsOf(name)).toEqual([
    // As the first of those who are there spelled it last.
    { emoji: plainHeart, count: 2, userIds: ["alice", "bob"] },
    { emoji: " \u202e", count: 1, userIds: ["bob"] },
  ]);
  const again = right(await side.commands.addReaction({ ...name, emoji: plainHeart }, by("bob")));
  expect(again.pos).toBeUndefined();
  for (const [userId, emoji] of [
    ["alice", plainHeart],
    ["bob", heart],
    ["bob", " \u202e"],
  ] as const)
    expect(right(await side.commands.removeReaction({ ...name, emoji }, by(userId))).pos).toBeGreaterThan(0);
  expect(await reactionsOf(name)).toBeUndefined();
});

it("are one with those of today: each user once, in the order of their adding, spelled as the first spelled it", async () => {
  const conversationId = await startDirect(side, "alice", "bob");
  const { messageId } = await send(side, conversationId, "alice", "hearts");
  const name = { conversationId, messageId };
  const { addReaction, removeReaction } = side.commands;
  await leftBehind(name, ["ReactionAdded", name, heart, "alice"], ["ReactionAdded", name, "👍", "alice"]);
  right(await addReaction({ ...name, emoji: plainHeart }, by("bob")));
  right(await addReaction({ ...name, emoji: "🎉" }, by("bob")));
  expect(await reactionsOf(name)).toEqual([
    { emoji: heart, count: 2, userIds: ["alice", "bob"] },
    { emoji: "👍", count: 1, userIds: ["alice"] },
    { emoji: "🎉", count: 1, userIds: ["bob"] },
  ]);
  // Added again it is what it was; taken away and added again it is of today, and comes after bob's.
  expect(right(await addReaction({ ...name, emoji: plainHeart }, by("alice"))).pos).toBeUndefined();
  right(await removeReaction({ ...name, emoji: plainHeart }, by("alice")));
  right(await addReaction({ ...name, emoji: heart }, by("alice")));
  expect(await heartsOf(name)).toEqual({ emoji: plainHeart, count: 2, userIds: ["bob", "alice"] });
  // By a process of before and by one of today at once: one still, and gone at once.
  await leftBehind(name, ["ReactionAdded", name, heart, "alice"]);
  expect(await heartsOf(name)).toEqual({ emoji: plainHeart, count: 2, userIds: ["bob", "alice"] });
  right(await removeReaction({ ...name, emoji: heart }, by("alice")));
  expect(await heartsOf(name)).toEqual({ emoji: plainHeart, count: 1, userIds: ["bob"] });
});
