import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadAggregate } from "../../src/commands/load.js";
import { lookUpIn } from "../../src/commands/look-up.js";
import { LogError, type EventLog, type MessageIndex } from "../../src/commands/ports.js";
import { sealReaction } from "../../src/commands/sealing/reactions.js";
import { routes } from "../../src/commands/routes.js";
import { sealingWith } from "../../src/commands/sealing/sealing.js";
import { noSnapshots } from "../../src/commands/snapshots.js";
import { E, type Either } from "../../src/domain/kernel/fp.js";
import { limits } from "../../src/domain/kernel/limits.js";
import { messageIdOf } from "../../src/domain/kernel/ids.js";
import { asRevision, noRevision, streamOf } from "../../src/domain/kernel/stream.js";
import { openSqliteSnapshots, type SqliteSnapshots } from "../../src/infra/snapshot-store/sqlite/snapshot-store.js";
import { contextOf } from "../kit/given.js";
import { memoryHeld } from "../kit/heap.js";
import { commandsOn, countingReads, emptyIndex, openLogKit, writeLongConversation, type LogKit } from "../kit/log.js";
import { textCipher } from "../kit/text-cipher.js";

const right = <A>(either: Either<unknown, A>): A => {
  if (E.isLeft(either)) throw new Error(`refused: ${JSON.stringify(either.left)}`);
  return either.right;
};
const context = (userId = "alice") => contextOf(userId, Date.now(), randomUUID());
const messages = 100_000;
const conversationId = "g_0123456789abcdefghijkl";
const message = (clientMessageId: string, text = "Hello") => ({
  conversationId,
  clientMessageId,
  contentType: "text" as const,
  content: JSON.stringify({ type: "text", text }),
});
const first = { messageId: messageIdOf(conversationId, { userId: "alice", deviceId: "phone" }, "m-1") };
const old = { sequence: 1, pos: asRevision(2), at: 1, senderId: "alice", contentType: "text" as const, deleted: false };
const coversTo = messages - 5_000;
/** A view that is some thousand events behind: what is not that old is read in the stream. */
const early: MessageIndex = {
  find: (_, messageId) =>
    Promise.resolve({
      coversTo: asRevision(coversTo),
      message: messageId === first.messageId ? { ...first, ...old, reactions: [] } : null,
    }),
};
const down = (): Promise<never> => Promise.reject(new LogError("UNAVAILABLE", "down"));

/** Of the heap and of the buffers beside it. */
const bytesUsed = async (): Promise<number> => {
  const { heapUsed, arrayBuffers } = await memoryHeld();
  return heapUsed + arrayBuffers;
};

describe(`a conversation of ${messages} messages`, () => {
  let kit: LogKit;
  let snapshots: SqliteSnapshots;
  beforeAll(async () => {
    kit = await openLogKit();
    await writeLongConversation(kit.log, conversationId, messages);
    snapshots = openSqliteSnapshots(join(kit.dir, "snapshots.db"));
  }, 60_000);
  afterAll(async () => {
    await snapshots.close();
    await kit.dispose();
  });

  const retryOfTheFirst = { sequence: 1, pos: asRevision(2), timestamp: 1, duplicate: true, ...first };

  it("answers a retry of its first key with the first acceptance, cold and warm, and refuses other content", async () => {
    const commands = commandsOn(kit, kit.log, { lookUp: lookUpIn(early, kit.log) });
    const head = await kit.log.head();
    for (let i = 0; i < 2; i++)
      expect(right(await commands.sendMessage(message("m-1"), context()))).toMatchObject(retryOfTheFirst);
    expect(await commands.sendMessage(message("m-1", "Bye"), context())).toMatchObject({
      left: { code: "DUPLICATE_MESSAGE" },
    });
    expect(await kit.log.head()).toBe(head);
  });

  it("decides a new key without reading the log or the index", async () => {
    let asked = 0;
    const index: MessageIndex = { find: (...names) => (asked++, emptyIndex.find(...names)) };
    const { log, reads } = countingReads(kit.log);
    const commands = commandsOn(kit, log, { lookUp: lookUpIn(index, log) });
    await commands.sendMessage(message(randomUUID()), context());
    const before = { ...reads };
    for (let i = 0; i < 200; i++)
      expect(right(await commands.sendMessage(message(randomUUID()), context())).duplicate).toBe(false);
    expect({ ...reads, asked }).toEqual({ ...before, asked: 0 });
  });

  it("answers a retry from the window although the same append pushes it out", async () => {
    const commands = commandsOn(kit, kit.log, { snapshots });
    const last = right(await commands.sendMessage(message(randomUUID()), context())).sequence;
    const oldest = (
      await kit.log.readStream(
        streamOf.conversation(conversationId),
        asRevision(last - limits.recentMessagesMax + 3),
        1,
      )
    )[0];
    const { clientMessageId } = JSON.parse(oldest?.data ?? "{}") as { clientMessageId: string };
    // The first is appended alone; what came meanwhile is the next append, the retry in front.
    const [, retried, ...sent] = await Promise.all([
      commands.sendMessage(message(randomUUID()), context()),
      commands.sendMessage(message(clientMessageId), context()),
      ...Array.from({ length: 20 }, () => commands.sendMessage(message(randomUUID()), context())),
    ]);
    expect(right(retried)).toMatchObject({ duplicate: true, sequence: last - limits.recentMessagesMax + 2 });
    expect(sent.every(E.isRight)).toBe(true);
  });

  it("looks old messages up in the index where it covers, else in the stream, and is UNAVAILABLE when neither answers or too much is to be read", async () => {
    const react = (emoji: string, index: MessageIndex, log: EventLog = kit.log) => {
      const commands = commandsOn(kit, log, { snapshots, lookUp: lookUpIn(index, log) });
      return commands.addReaction({ conversationId, ...first, emoji }, context("bob"));
    };
    const covering: MessageIndex = {
      find: () =>
        Promise.resolve({ coversTo: asRevision(Infinity), message: { ...first, ...old, reactions: ["👍 bob"] } }),
    };
    // What the index says is believed, in whatever form it was written: the stream has no such reaction.
    expect(right(await react("👍", covering))).not.toHaveProperty("pos");
    expect(right(await react("👍", early))).toHaveProperty("pos");

    const { log, reads } = countingReads(kit.log);
    await commandsOn(kit, log, { snapshots }).othersIn(conversationId, context("bob"));
    const coldLoad = reads.events;
    expect(await react("🎉", { find: down }, log)).toMatchObject({ left: { code: "UNAVAILABLE", retryAfter: 1 } });
    // Nothing of the stream but the load: a hundred thousand events are not read for one reaction.
    expect(reads.events).toBeLessThanOrEqual(2 * coldLoad);

    const until: EventLog = {
      ...kit.log,
      readStream: (...asked) => (asked[1] === coversTo + 1 ? down() : kit.log.readStream(...asked)),
    };
    expect(await react("🚀", early, until)).toMatchObject({ left: { code: "UNAVAILABLE" } });
    expect(right(await react("🚀", covering, until))).toHaveProperty("pos");
  });

  it("refuses for a look-up that has no answer only those that need one, and not those who write beside them", async () => {
    let asked = 0;
    const lookUp = () => (asked++, down());
    const commands = commandsOn(kit, kit.log, { snapshots, lookUp });
    const react = () => commands.addReaction({ conversationId, ...first, emoji: "🪁" }, context("bob"));
    const send = () => commands.sendMessage(message(randomUUID()), context());
    // The first is appended alone; what came meanwhile is one batch.
    const [begun, ...answers] = await Promise.all([send(), react(), send(), react(), send()]);
    expect(E.isRight(begun)).toBe(true);
    const codes = answers.map((answer) => (E.isRight(answer) ? "written" : answer.left.code));
    expect(codes).toEqual(["UNAVAILABLE", "written", "UNAVAILABLE", "written"]);
    // Commands that wait for the same do not ask for it one after the other.
    expect(asked).toBe(1);
  });

  it("asks the stream only for what the index does not have yet", async () => {
    const commands = commandsOn(kit, kit.log, { snapshots, lookUp: lookUpIn(early, kit.log) });
    right(await commands.addReaction({ conversationId, ...first, emoji: "🧭" }, context("alice")));
    right(await commands.addReaction({ conversationId, ...first, emoji: "🧭" }, context("bob")));
    const removed = right(await commands.removeReaction({ conversationId, ...first, emoji: "🧭" }, context("alice")));
    const end = (removed.pos ?? 0) + 1;
    const named = { conversationId, ...first, emoji: "🧭", userId: "bob" };
    const [digest] = (await sealReaction(sealingWith(kit.keys, ["test"], textCipher), named)).digestsOf("🧭");
    const { log, reads } = countingReads(kit.log);
    const behind: MessageIndex = {
      find: () =>
        Promise.resolve({
          coversTo: asRevision(end - 4),
          message: { ...first, ...old, reactions: ["👍 bob", `${digest} alice`] },
        }),
    };
    const found = await lookUpIn(behind, log)(conversationId, first.messageId, asRevision(end));
    expect(found).toEqual({ ...first, ...old, reactions: ["👍 bob", `${digest} bob`] });
    expect(reads.events).toBe(3);
  });

  it("weighs what its estimate says, more or less, in memory", async () => {
    const load = () =>
      loadAggregate(kit.log, routes.conversation, streamOf.conversation(conversationId), noSnapshots());
    const weight = routes.conversation.weigh(await load());
    // 4 to 5 bytes for an older message, 48 for each of the newest thousand.
    expect(weight).toBeGreaterThan(messages * 4);
    expect(weight).toBeLessThan(600_000);
    const before = await bytesUsed();
    // Several, so that what is collected beside them meanwhile weighs little.
    const loaded = [await load(), await load(), await load(), await load(), await load()];
    const each = ((await bytesUsed()) - before) / loaded.length;
    expect(each).toBeLessThan(weight * 1.2);
    expect(each).toBeGreaterThan(weight / 5);
  }, 120_000);

  it("a cold load from a snapshot reads at most four thousand events, and decides the same", async () => {
    const failures: Error[] = [];
    const onSnapshotFailure = (error: Error) => failures.push(error);
    const options = { snapshots, onSnapshotFailure, lookUp: lookUpIn(early, kit.log) };
    const writer = commandsOn(kit, kit.log, options);
    for (let round = 0; round < 45; round++)
      await Promise.all(Array.from({ length: 100 }, () => writer.sendMessage(message(randomUUID()), context())));
    await writer.snapshotsSaved();
    const { log, reads } = countingReads(kit.log);
    const cold = commandsOn(kit, log, options);
    const accepted = right(await cold.sendMessage(message(randomUUID()), context()));
    expect(reads.events).toBeLessThanOrEqual(4_000);
    expect(accepted).toMatchObject({
      duplicate: false,
      pos: (await kit.log.readStream(streamOf.conversation(conversationId), noRevision, 1, "backwards"))[0]?.revision,
    });
    expect(right(await cold.sendMessage(message("m-1"), context()))).toMatchObject(retryOfTheFirst);
    expect(failures).toEqual([]);
  });
});
