import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { UnreadableEvent } from "../../src/domain/catalogue.js";
import { E } from "../../src/domain/kernel/fp.js";
import { noRevision, streamOf } from "../../src/domain/kernel/stream.js";
import { contextOf } from "../kit/given.js";
import { commandsOn, openLogKit, type LogKit } from "../kit/log.js";

let kit: LogKit;
let conversationId: string;
let commands: ReturnType<typeof commandsOn>;
const context = (userId = "alice") => contextOf(userId, Date.now(), randomUUID());
const message = (clientMessageId: string, id = conversationId) => ({
  ...{ conversationId: id, clientMessageId, contentType: "text" as const, content: '{"type":"text","text":"x"}' },
});
const aProcess = () => commandsOn(kit, kit.log, { isShared: true });

beforeEach(async () => {
  kit = await openLogKit();
  commands = aProcess();
  const started = await commands.startDirect({ peerId: "bob" }, context());
  if (E.isLeft(started)) throw new Error(started.left.message);
  ({ conversationId } = started.right);
  expect(await commands.sendMessage(message("m1"), context())).toMatchObject({ right: { sequence: 1 } });
  await newerSends();
});
afterEach(() => kit.dispose());

/** A gateway of a newer version writes a message into the conversation, in a form that this one does not know. */
const newerSends = async () => {
  const stream = streamOf.conversation(conversationId);
  const [last] = await kit.log.readStream(stream, noRevision, 1, "backwards");
  if (last?.type !== "MessageSent") throw new Error("no message");
  const meta = JSON.stringify({ ...(JSON.parse(last.meta) as object), schema: 99 });
  const data = JSON.stringify({ ...(JSON.parse(last.data) as object), sequence: 2, novelty: true });
  await kit.log.append(stream, last.revision, [{ id: randomUUID(), type: last.type, data, meta }]);
};

describe("events of a newer version in a conversation", () => {
  it("are folded by nobody who does not know them: every command is refused, and writes nothing", async () => {
    const head = await kit.log.head();
    // One that knows the conversation from before, and one that starts now.
    for (const each of [commands, aProcess()])
      for (const command of [
        () => each.sendMessage(message("m2"), context()),
        // It was accepted before: a repeat is refused as well, and answered by processes that know the version.
        () => each.sendMessage(message("m1"), context()),
        () => each.addReaction({ conversationId, messageId: randomUUID(), emoji: "👍" }, context()),
        () => each.advanceReceipts({ conversationId, readUpTo: 1 }, context("bob")),
        () => each.changePreferences({ conversationId, archived: true }, context("bob")),
      ])
        await expect(command()).rejects.toThrow(UnreadableEvent);
    expect(await kit.log.head()).toBe(head);
  });

  it("hold up no other conversation", async () => {
    const other = await commands.startDirect({ peerId: "carol" }, context());
    if (E.isLeft(other)) throw new Error(other.left.message);
    expect(await commands.sendMessage(message("m1", other.right.conversationId), context())).toMatchObject({
      right: { sequence: 1 },
    });
  });
});
