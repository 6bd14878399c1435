import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LogError, type EventLog, type KeyStore } from "../../src/commands/ports.js";
import { sealingWith } from "../../src/commands/sealing/sealing.js";
import { decodeConversationEvent } from "../../src/domain/catalogue.js";
import { E, type Either } from "../../src/domain/kernel/fp.js";
import { messageIdOf } from "../../src/domain/kernel/ids.js";
import { asRevision, firstRevision, noPosition, streamOf } from "../../src/domain/kernel/stream.js";
import { contextOf } from "../kit/given.js";
import { commandsOn, openLogKit, type LogKit } from "../kit/log.js";
import { settled } from "../kit/turns.js";
import { textCipher } from "../kit/text-cipher.js";

const right = <A>(either: Either<unknown, A>): A => {
  if (E.isLeft(either)) throw new Error(`refused: ${JSON.stringify(either.left)}`);
  return either.right;
};
const context = (userId: string) => contextOf(userId, Date.now(), randomUUID());
const textOf = (text: string) => ({ contentType: "text" as const, content: JSON.stringify({ type: "text", text }) });

describe("commands on a real log", () => {
  let kit: LogKit;
  beforeEach(async () => {
    kit = await openLogKit();
  });
  afterEach(() => kit.dispose());

  const startGroup = async (commands = commandsOn(kit)): Promise<string> => {
    const started = await commands.startGroup({ name: "Friends", participantIds: ["bob"] }, context("alice"));
    return right(started).conversationId;
  };
  const messages = async (conversationId: string) => {
    const all = (await kit.log.readStream(streamOf.conversation(conversationId), firstRevision, 10_000)).map(
      decodeConversationEvent,
    );
    return all.filter((event) => event.type === "MessageSent");
  };

  it("accepts a message once, and answers a retry with the first acceptance", async () => {
    const commands = commandsOn(kit);
    const conversationId = await startGroup(commands);
    const message = { conversationId, clientMessageId: "m-1", ...textOf("Hello") };
    const first = right(await commands.sendMessage(message, context("alice")));
    expect(first).toMatchObject({ sequence: 1, pos: 2, duplicate: false });
    const head = await kit.log.head();
    const again = right(await commands.sendMessage(message, context("alice")));
    const cold = right(await commandsOn(kit).sendMessage(message, context("alice")));
    for (const retry of [again, cold]) expect(retry).toEqual({ ...first, duplicate: true, position: 0 });
    expect(await kit.log.head()).toBe(head);
  });

  it("refuses a key that was used for another message, also when it is read from the log", async () => {
    const conversationId = await startGroup();
    const message = { conversationId, clientMessageId: "m-1", ...textOf("Hello") };
    await commandsOn(kit).sendMessage(message, context("alice"));
    const other = await commandsOn(kit).sendMessage({ ...message, ...textOf("Bye") }, context("alice"));
    expect(other).toMatchObject({ left: { code: "DUPLICATE_MESSAGE" } });
  });

  it("does not hold what was said in readable form", async () => {
    const conversationId = await startGroup();
    await commandsOn(kit).sendMessage(
      { conversationId, clientMessageId: "m-1", ...textOf("a secret") },
      context("alice"),
    );
    const stored = await kit.log.readAll(noPosition, 1_000);
    expect(JSON.stringify(stored)).not.toContain("a secret");
  });

  it("a reaction is in the log sealed, and takes its place in the order also while its keys are being made", async () => {
    const conversationId = await startGroup();
    const commands = commandsOn(kit);
    const message = { conversationId, clientMessageId: "m-1", ...textOf("Hello") };
    const { messageId } = right(await commands.sendMessage(message, context("alice")));
    const about = { conversationId, messageId, emoji: "❤\ufe0f" };
    const answers = await Promise.all([
      commands.addReaction(about, context("alice")),
      commands.removeReaction({ ...about, emoji: "❤" }, context("alice")),
      commands.addReaction(about, context("bob")),
      commands.deleteMessage({ conversationId, messageId }, context("alice")),
    ]);
    expect(answers.map((answer) => right(answer).pos)).toEqual([3, 4, 5, 6]);
    const written = (await kit.log.readStream(streamOf.conversation(conversationId), asRevision(3), 3)).map(
      decodeConversationEvent,
    );
    const digests = written.map((event) => ("emoji" in event ? event.digest : ""));
    // Of all users and spellings the same, and as long as no emoji is.
    expect(new Set(digests)).toEqual(new Set([expect.stringMatching(/^[\w-]{43}$/)]));
    expect(written).toMatchObject([{ emoji: { alg: "XC20P" } }, {}, { emoji: { alg: "XC20P" } }]);
    expect(JSON.stringify(await kit.log.readAll(noPosition, 1_000))).not.toContain("❤");
  });

  it("no command of a user who is no member makes a key in the name of a conversation", async () => {
    const made: string[] = [];
    const keys: KeyStore = { ...kit.keys, obtain: (id) => (made.push(id), kit.keys.obtain(id)) };
    const conversationId = await startGroup();
    const { messageId } = right(
      await commandsOn(kit).sendMessage(
        { conversationId, clientMessageId: "m-1", ...textOf("Hello") },
        context("alice"),
      ),
    );
    const commands = commandsOn(kit, kit.log, { sealing: sealingWith(keys, ["other"], textCipher) });
    const react = (id: string, userId: string) =>
      commands.addReaction({ conversationId: id, messageId, emoji: "👍" }, context(userId));
    for (const id of [conversationId, "g_0000000000000000000000"])
      expect(await react(id, "mallory")).toMatchObject({ left: { code: "CONVERSATION_NOT_FOUND" } });
    expect(made).toEqual([]);
    right(await react(conversationId, "bob"));
    expect(made.toSorted()).toEqual(["bob/profile/other", `${conversationId}/conversation/other`]);
  });

  it("two processes that write one conversation at once lose and double nothing", async () => {
    const [one, two] = [commandsOn(kit), commandsOn(kit)];
    const conversationId = await startGroup(one);
    const sends = Array.from({ length: 200 }, (_, i) =>
      (i % 2 === 0 ? one : two).sendMessage(
        { conversationId, clientMessageId: `m-${i}`, ...textOf(`${i}`) },
        context(i % 3 === 0 ? "alice" : "bob"),
      ),
    );
    const accepted = (await Promise.all(sends)).map((sent) => right(sent).sequence);
    expect(accepted.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    expect((await messages(conversationId)).map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 200 }, (_, i) => i + 1),
    );
  });

  it("a command knows what those before it in the same append have decided", async () => {
    const commands = commandsOn(kit);
    const conversationId = await startGroup(commands);
    const alice = () => context("alice");
    const message = { conversationId, clientMessageId: "m-1", ...textOf("Hello") };
    const named = { conversationId, messageId: messageIdOf(conversationId, alice().by, "m-1") };
    // The first is appended alone; what came meanwhile is the next append.
    const all = [
      commands.sendMessage({ ...message, clientMessageId: "m-0" }, alice()),
      commands.sendMessage(message, alice()),
      commands.sendMessage(message, alice()),
      commands.sendMessage({ ...message, clientMessageId: "m-2", replyTo: named.messageId }, alice()),
      commands.addReaction({ ...named, emoji: "👍" }, alice()),
      commands.addReaction({ ...named, emoji: "👍" }, alice()),
      commands.removeReaction({ ...named, emoji: "👍" }, alice()),
      commands.addReaction({ ...named, emoji: "👍" }, alice()),
      commands.deleteMessage(named, alice()),
      commands.deleteMessage(named, alice()),
      commands.addReaction({ ...named, emoji: "🎉" }, alice()),
    ];
    const answers = await Promise.all<Either<{ readonly code: string }, { readonly pos?: number }>>(all);
    const places = answers.map((answer) => (E.isRight(answer) ? answer.right.pos : answer.left.code));
    expect(places).toEqual([2, 3, 3, 4, 5, undefined, 6, 7, 8, undefined, "MESSAGE_NOT_FOUND"]);
    expect((await messages(conversationId)).map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  });

  it("repeats the identical append when its outcome is unknown", async () => {
    const conversationId = await startGroup();
    let lost = 0;
    const forgetful: EventLog = {
      ...kit.log,
      append: async (stream, expected, events) => {
        const result = await kit.log.append(stream, expected, events);
        if (lost++ < 3) throw new LogError("OUTCOME_UNKNOWN", "the answer was lost");
        return result;
      },
    };
    const message = { conversationId, clientMessageId: "m-1", ...textOf("Hello") };
    const sent = await commandsOn(kit, forgetful).sendMessage(message, context("alice"));
    expect(right(sent)).toMatchObject({ sequence: 1, pos: 2, duplicate: false });
    expect(await messages(conversationId)).toHaveLength(1);
    expect(lost).toBe(4);
  });

  it("goes on asking while the log that has not answered is away, and accepts once", async () => {
    const conversationId = await startGroup();
    let appends = 0;
    const killed: EventLog = {
      ...kit.log,
      append: async (stream, expected, events) => {
        appends += 1;
        if (appends === 1) {
          await kit.log.append(stream, expected, events);
          throw new LogError("OUTCOME_UNKNOWN", "killed before it answered");
        }
        // Longer than a moment, as a server needs to come back.
        if (appends < 14) throw new LogError("UNAVAILABLE", "not there yet");
        return kit.log.append(stream, expected, events);
      },
    };
    const message = { conversationId, clientMessageId: "m-1", ...textOf("Hello") };
    const sent = await commandsOn(kit, killed).sendMessage(message, context("alice"));
    expect(right(sent)).toMatchObject({ sequence: 1, duplicate: false });
    expect(await messages(conversationId)).toHaveLength(1);
  });

  it("an append that may be there is never told to be not written, however long the log is away", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "performance"] });
    try {
      let appends = 0;
      const log: EventLog = {
        ...kit.log,
        append: () => Promise.reject(new LogError(++appends === 1 ? "OUTCOME_UNKNOWN" : "UNAVAILABLE", "no answer")),
        readStream: () => Promise.resolve([]),
      };
      const commands = commandsOn(kit, log, { isShared: true });
      // Without a name: no key is waited for while time stands still.
      const answer = commands.startDirect({ peerId: "bob" }, context("alice"));
      await vi.advanceTimersByTimeAsync(60_000);
      const message = "The log has not said whether it took this. Retry with the same key, or look first.";
      expect(await answer).toMatchObject({ left: { code: "UNAVAILABLE", message } });
    } finally {
      vi.useRealTimers();
    }
  });

  it("a key that cannot be had while an append is under way refuses its own command, and harms no other", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on("unhandledRejection", note);
    const conversationId = await startGroup();
    let begin = (): void => undefined;
    let waits = 0;
    const slow: EventLog = {
      ...kit.log,
      append: async (...asked) => {
        waits += 1;
        await new Promise<void>((resolve) => (begin = resolve));
        return kit.log.append(...asked);
      },
    };
    const sealing = sealingWith(
      {
        ...kit.keys,
        cached: (keyId) => (keyId.startsWith("bob") ? undefined : kit.keys.cached(keyId)),
        obtain: (keyId) =>
          keyId.startsWith("bob")
            ? Promise.reject(new LogError("UNAVAILABLE", "the keys are away"))
            : kit.keys.obtain(keyId),
      },
      ["test"],
      textCipher,
    );
    const commands = commandsOn(kit, slow, { sealing });
    const send = (id: string, by: string) =>
      commands.sendMessage({ conversationId, clientMessageId: id, ...textOf(id) }, context(by));
    const first = send("m-1", "alice");
    await vi.waitFor(() => {
      expect(waits).toBe(1);
    });
    const [second, third] = [send("m-2", "bob"), send("m-3", "alice")];
    // Unhandled is what has no listener at the end of the turn in which it rejects.
    await settled();
    begin();
    expect(right(await first)).toMatchObject({ sequence: 1 });
    await vi.waitFor(() => {
      expect(waits).toBe(2);
    });
    begin();
    expect(right(await third)).toMatchObject({ sequence: 2 });
    expect(await second).toMatchObject({ left: { code: "UNAVAILABLE", retryAfter: 1 } });
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
  });

  it("answers every repeat of a client that sends all again, though the log takes only so many reads at once", async () => {
    const commands = commandsOn(kit);
    const conversationId = await startGroup(commands);
    const send = (i: number) =>
      commands.sendMessage({ conversationId, clientMessageId: `m-${i}`, ...textOf(`${i}`) }, context("alice"));
    const all = Array.from({ length: 1_100 }, (_, i) => i);
    const first = (await Promise.all(all.map(send))).map(right);
    const again = (await Promise.all(all.map(send))).map(right);
    expect(again).toEqual(first.map((ack) => ({ ...ack, duplicate: true, position: 0 })));
  });

  it("refuses only by what the log has, however old what this process knows", async () => {
    const [one, two] = [1, 2].map(() => commandsOn(kit, kit.log, { isShared: true }));
    if (one === undefined || two === undefined) throw new Error("two processes");
    const conversationId = await startGroup(one);
    const send = (commands: typeof one, by: string, id: string) =>
      commands.sendMessage({ conversationId, clientMessageId: id, ...textOf(id) }, context(by));
    expect(await send(two, "carol", "c-1")).toMatchObject({ left: { code: "CONVERSATION_NOT_FOUND" } });
    right(await one.joinMembers({ conversationId, userIds: ["carol"] }, context("alice")));
    expect(right(await send(two, "carol", "c-1"))).toMatchObject({ sequence: 1 });
    right(await send(one, "alice", "a-1"));
    right(await two.advanceReceipts({ conversationId, readUpTo: 2 }, context("carol")));
    right(await one.leaveConversation({ conversationId, userId: "carol" }, context("alice")));
    expect(await send(two, "carol", "c-2")).toMatchObject({ left: { code: "FORBIDDEN" } });
    // Nothing to change by what `two` knows: removed and added again by the other.
    right(await two.joinMembers({ conversationId, userIds: ["carol"] }, context("alice")));
    right(await one.leaveConversation({ conversationId, userId: "carol" }, context("alice")));
    expect(right(await two.joinMembers({ conversationId, userIds: ["carol"] }, context("alice"))).added).toEqual([
      "carol",
    ]);
    right(await one.changePreferences({ conversationId, pinned: 1 }, context("carol")));
  });

  it("answers UNAVAILABLE, decides nothing and goes on when the log comes back", async () => {
    const conversationId = await startGroup();
    let down = true;
    const commands = commandsOn(kit, {
      ...kit.log,
      append: (stream, expected, events) =>
        down ? Promise.reject(new LogError("UNAVAILABLE", "full")) : kit.log.append(stream, expected, events),
    });
    const send = (id: string) =>
      commands.sendMessage({ conversationId, clientMessageId: id, ...textOf(id) }, context("alice"));
    expect(await Promise.all([send("m-1"), send("m-2")])).toMatchObject([
      { left: { code: "UNAVAILABLE", retryAfter: 1 } },
      { left: { code: "UNAVAILABLE" } },
    ]);
    down = false;
    expect(right(await send("m-2"))).toMatchObject({ sequence: 1, duplicate: false });
    expect(right(await send("m-1"))).toMatchObject({ sequence: 2, duplicate: false });
  });

  it("a reaction whose keys cannot be had is refused with those that wait for keys as well, and what waits behind it is accepted", async () => {
    const conversationId = await startGroup();
    const hello = { conversationId, clientMessageId: "m-1", ...textOf("Hello") };
    const { messageId } = right(await commandsOn(kit).sendMessage(hello, context("alice")));
    let refuseAll = (): void => undefined;
    let asked = 0;
    const none = new Promise<never>((_, refuse) => {
      refuseAll = () => {
        refuse(new LogError("UNAVAILABLE", "the keys are away"));
      };
    });
    const away: KeyStore = {
      ...kit.keys,
      cached: (keyId) => (keyId.includes("/profile/") ? undefined : kit.keys.cached(keyId)),
      obtain: (keyId) => (keyId.includes("/profile/") ? ((asked += 1), none) : kit.keys.obtain(keyId)),
    };
    const commands = commandsOn(kit, kit.log, { sealing: sealingWith(away, ["test"], textCipher) });
    const react = (userId: string) => commands.addReaction({ conversationId, messageId, emoji: "👍" }, context(userId));
    const say = (clientMessageId: string) => commands.sendMessage({ ...hello, clientMessageId }, context("alice"));
    // The first is appended alone; the others wait for their turn together.
    const before = say("m-2");
    const answers = [react("alice"), react("bob")];
    const behind = say("m-3");
    expect(right(await before)).toMatchObject({ sequence: 2 });
    await vi.waitFor(() => {
      expect(asked).toBe(1);
    });
    refuseAll();
    for (const answer of await Promise.all(answers))
      expect(answer).toMatchObject({ left: { code: "UNAVAILABLE", retryAfter: 1 } });
    expect(right(await behind)).toMatchObject({ sequence: 3 });
    // Bob's were not waited for as well.
    expect(asked).toBe(1);
  });

  it("what one connection sends takes effect in its order, also while a key is being made", async () => {
    const commands = commandsOn(kit);
    const conversationId = await startGroup(commands);
    const sent = ["1", "2", "3"].map((id) =>
      commands.sendMessage({ conversationId, clientMessageId: id, ...textOf(id) }, context("alice")),
    );
    const removed = commands.leaveConversation({ conversationId, userId: "alice" }, context("alice"));
    const results = await Promise.all(sent);
    expect(results.map((result) => right(result).sequence)).toEqual([1, 2, 3]);
    expect(right(await removed)).toMatchObject({ pos: 6 });
  });

  it("moves cursors forwards only, and only within the conversation", async () => {
    const commands = commandsOn(kit);
    const conversationId = await startGroup(commands);
    await commands.sendMessage({ conversationId, clientMessageId: "m-1", ...textOf("Hello") }, context("alice"));
    const read = (upTo: number, by = "bob") =>
      commands.advanceReceipts({ conversationId, readUpTo: upTo }, context(by));
    expect(await read(2)).toMatchObject({ left: { code: "INVALID_MESSAGE", details: [{ field: "upToSequence" }] } });
    expect(await read(1, "mallory")).toMatchObject({ left: { code: "CONVERSATION_NOT_FOUND" } });
    expect(right(await read(1)).position).toBeGreaterThan(0);
    const head = await kit.log.head();
    expect(E.isRight(await read(1))).toBe(true);
    expect(E.isRight(await read(0))).toBe(true);
    expect(await kit.log.head()).toBe(head);
  });

  it("starts one direct conversation, however many start it at once", async () => {
    const [one, two] = [commandsOn(kit), commandsOn(kit)];
    const started = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 === 0 ? one : two).startDirect(
          { peerId: i % 4 < 2 ? "bob" : "alice" },
          context(i % 4 < 2 ? "alice" : "bob"),
        ),
      ),
    );
    const ids = started.map((result) => right(result));
    expect(new Set(ids.map(({ conversationId }) => conversationId)).size).toBe(1);
    expect(ids.filter(({ created }) => created)).toHaveLength(1);
  });
});
