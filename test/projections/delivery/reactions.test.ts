/** Emoji are sealed: opened where frames and pages are made, and gone with their user's key. */
import { expect, it } from "vitest";
import type { Frame } from "../../../src/projections/frames/frames.js";
import type { OpenContent } from "../../../src/projections/ports/open-content.js";
import { reactionUserIdsMax } from "../../../src/projections/ports/rows.js";
import { createQueries } from "../../../src/projections/queries/create.js";
import { eventually } from "../../kit/device.js";
import {
  by,
  connect,
  right,
  send,
  deliveryForEach,
  startDirect,
  startGroup,
  syncOf,
  type ReadSide,
  type Received,
} from "./delivery-kit.js";

let side: ReadSide;
const deliver = deliveryForEach((opened) => (side = opened));

/** Alice's message, with the reactions of both; the positions after the message's. */
const story = async () => {
  const conversationId = await startDirect(side, "alice", "bob");
  const { messageId, pos } = await send(side, conversationId, "alice", "Hello");
  const name = { conversationId, messageId };
  right(await side.commands.addReaction({ ...name, emoji: "❤\ufe0f" }, by("alice")));
  right(await side.commands.addReaction({ ...name, emoji: "❤" }, by("bob")));
  right(await side.commands.addReaction({ ...name, emoji: "🎉" }, by("bob")));
  right(await side.commands.removeReaction({ ...name, emoji: "❤\ufe0f" }, by("bob")));
  return { conversationId, pos };
};
const reactionsIn = (frames: readonly Frame[]) =>
  frames.flatMap(({ type, payload }) => (type === "message.updated" ? [payload.reaction] : []));
const arrived = (device: Received) => eventually(() => reactionsIn(device.frames).length >= 4, "four frames");
const synced = async (
  { conversationId, pos }: { conversationId: string; pos: number },
  open: OpenContent = side.sealing.open,
) => {
  const queries = createQueries({ source: side.log, views: side.views, open, epoch: side.epoch, clock: Date.now });
  const request = { cursors: { [conversationId]: pos }, only: true };
  const { conversations } = right(await syncOf({ ...side, queries }, { userId: "bob", deviceId: "new" }, request));
  const page = right(await queries.history({ userId: "bob", deviceId: "new" }, conversationId, { limit: 1 }));
  const frames = JSON.parse(JSON.stringify(conversations[0]?.changes)) as Frame[];
  return { frames, shown: page.messages[0]?.reactions };
};

const hearts = { emoji: "❤\ufe0f", userId: "alice" };
const all = [
  hearts,
  { emoji: "❤", userId: "bob" },
  { emoji: "🎉", userId: "bob" },
  { emoji: "❤\ufe0f", userId: "bob", removed: true },
];

it.each([
  ["in memory", {}],
  ["not in memory", { openNow: () => undefined }],
])("frames and pages say what everybody reacted with, with the keys %s", async (_, opens) => {
  deliver(opens);
  const bob = connect(side.hub, "bob");
  const told = await story();
  await arrived(bob);
  expect(reactionsIn(bob.frames)).toEqual(all);
  const { frames, shown } = await synced(told);
  expect(reactionsIn(frames)).toEqual(all);
  expect(shown).toEqual([
    { emoji: "❤\ufe0f", count: 1, userIds: ["alice"] },
    { emoji: "🎉", count: 1, userIds: ["bob"] },
  ]);
});

it("where a user's key is gone the user's reactions are, in frames and in pages, and nobody else's", async () => {
  const open: OpenContent = (context, sealed) =>
    sealed.keyId.startsWith("bob/profile/") ? Promise.resolve(null) : side.sealing.open(context, sealed);
  deliver({ openNow: () => undefined, open });
  const bob = connect(side.hub, "bob");
  const told = await story();
  await arrived(bob);
  expect(reactionsIn(bob.frames)).toEqual([hearts, undefined, undefined, undefined]);
  const { frames, shown } = await synced(told, open);
  expect(reactionsIn(frames)).toEqual([hearts, undefined, undefined, undefined]);
  expect(shown).toEqual([{ emoji: "❤\ufe0f", count: 1, userIds: ["alice"] }]);
});

it("of more who share one than are named, those who are named and gone are not counted", async () => {
  const users = Array.from({ length: reactionUserIdsMax + 5 }, (_, index) => `user-${index}`);
  const conversationId = await startGroup(side, "alice", users);
  const { messageId } = await send(side, conversationId, "alice", "Hello");
  for (const userId of users)
    right(await side.commands.addReaction({ conversationId, messageId, emoji: "👍" }, by(userId)));
  const gone = users.slice(0, 2);
  const open: OpenContent = (context, sealed) =>
    gone.some((userId) => sealed.keyId.startsWith(`${userId}/profile/`))
      ? Promise.resolve(null)
      : side.sealing.open(context, sealed);
  const asAlice = createQueries({ source: side.log, views: side.views, open, epoch: side.epoch, clock: Date.now });
  right(await asAlice.awaitCaughtUp(await side.log.head()));
  const page = right(await asAlice.history({ userId: "alice", deviceId: "phone" }, conversationId, { limit: 1 }));
  expect(page.messages[0]?.reactions).toEqual([
    { emoji: "👍", count: users.length - gone.length, userIds: users.slice(2, reactionUserIdsMax) },
  ]);
});

it("a page opens one of those who share an emoji, and asks for each user's key once, whatever the number of messages", async () => {
  const users = ["user-1", "user-2", "user-3", "user-4"];
  const conversationId = await startGroup(side, "alice", users);
  const messages = 5;
  for (let index = 0; index < messages; index += 1) {
    const { messageId } = await send(side, conversationId, "alice", `message ${index}`);
    for (const userId of users)
      right(await side.commands.addReaction({ conversationId, messageId, emoji: "👍" }, by(userId)));
  }
  let opened = 0;
  const open: OpenContent = (context, sealed) => {
    if (context.endsWith("/emoji")) opened += 1;
    return side.sealing.open(context, sealed);
  };
  const counting = createQueries({ source: side.log, views: side.views, open, epoch: side.epoch, clock: Date.now });
  right(await counting.awaitCaughtUp(await side.log.head()));
  const page = right(await counting.history({ userId: "alice", deviceId: "phone" }, conversationId, { limit: 50 }));
  const shown = { emoji: "👍", count: users.length, userIds: users };
  expect(page.messages.map(({ reactions }) => reactions)).toEqual(Array.from({ length: messages }, () => [shown]));
  expect(opened).toBe(messages + users.length);
});
