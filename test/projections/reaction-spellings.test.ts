/** Of before there was a rule: one emoji in the log in two spellings, and reactions that are none. */
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, it } from "vitest";
import { encodeEvent, type DomainEvent } from "../../src/domain/catalogue.js";
import { asRevision, noRevision, streamOf } from "../../src/domain/kernel/stream.js";
import type { MessageName } from "../../src/commands/commands.js";
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
    ...{ messageId: name.messageId, sequence: 1, emoji },
  };
  return encodeEvent(event, { commandId: "c", correlationId: "c" });
};

/** What an older version has left behind, behind the back of the commands' memory: a conflict makes them read it. */
const asBefore = async (name: MessageName, ...events: Parameters<typeof reacted>[]) => {
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

it("are counted together with those of today, and can be taken back", async () => {
  const conversationId = await startDirect(side, "alice", "bob");
  const { messageId } = await send(side, conversationId, "alice", "hearts");
  const name = { conversationId, messageId };
  await asBefore(
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
