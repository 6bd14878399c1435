import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CommandResult } from "../../src/commands/batch.js";
import { lookUpIn, readingWith } from "../../src/commands/look-up.js";
import { LogError, type EventLog } from "../../src/commands/ports.js";
import { routes } from "../../src/commands/routes.js";
import { sealingWith } from "../../src/commands/sealing/sealing.js";
import { noSnapshots } from "../../src/commands/snapshots.js";
import { createWriter } from "../../src/commands/writer.js";
import type { Conversation, ConversationCommand } from "../../src/domain/conversation/conversation.js";
import type { ConversationEvent } from "../../src/domain/conversation/conversation.events.js";
import { E, type Either } from "../../src/domain/kernel/fp.js";
import { messageIdOf } from "../../src/domain/kernel/ids.js";
import { unsealed } from "../../src/domain/kernel/sealed.js";
import { firstRevision, streamOf } from "../../src/domain/kernel/stream.js";
import type { Rejection } from "../../src/domain/rejections.js";
import { right } from "../kit/answers.js";
import { contextOf } from "../kit/given.js";
import { emptyIndex, openLogKit, writeLongConversation, type LogKit } from "../kit/log.js";
import { textCipher } from "../kit/text-cipher.js";

type Done = Either<Rejection, CommandResult<ConversationCommand, Conversation, ConversationEvent>>;

describe("a queue that writes from memory", () => {
  let kit: LogKit;
  beforeEach(async () => {
    kit = await openLogKit();
  });
  afterEach(() => kit.dispose());

  const id = (n: number) => `g_${String(n).padStart(22, "0")}`;
  const messageTo = (conversationId: string, key: string, text = "Hello"): ConversationCommand => {
    const context = contextOf("alice", 5, randomUUID());
    const messageId = messageIdOf(conversationId, context.by, key);
    const content = unsealed(JSON.stringify({ type: "text", text }));
    return { type: "SendMessage", messageId, clientMessageId: key, contentType: "text", content, context };
  };
  const writerOn = (log: EventLog, loadedBytesMax: number) => {
    const sealing = sealingWith(kit.keys, undefined, textCipher);
    const route = { ...routes.conversation, reading: readingWith(lookUpIn(emptyIndex, log), sealing) };
    return createWriter(log, route, { snapshots: noSnapshots(), loadedBytesMax });
  };
  type Writer = ReturnType<typeof writerOn>;
  const submitThen = (writer: Writer, n: number, key: string, seen: (done: Done) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      writer.submitThen(
        id(n),
        messageTo(id(n), key),
        (done) => {
          seen(done);
          resolve();
        },
        reject,
      );
    });

  it("answers when the state is in memory that the answer tells of", async () => {
    await writeLongConversation(kit.log, id(1), 1);
    const writer = writerOn(kit.log, 1_000_000);
    const known: (number | undefined)[] = [];
    const told: number[] = [];
    for (const key of ["a", "b", "c"])
      await submitThen(writer, 1, key, (done) => {
        told.push(right(done).revision);
        known.push(writer.peek(id(1))?.revision);
      });
    expect(known).toEqual(told);
    expect(writer.pending()).toBe(0);
  });

  it("is weighed again as it grows, so that it pushes others out of memory", async () => {
    await writeLongConversation(kit.log, id(1), 1);
    await writeLongConversation(kit.log, id(2), 1);
    // Room for three as they are.
    const writer = writerOn(kit.log, 3 * routes.conversation.weigh(await stateOf(1)));
    await submitThen(writer, 2, "a", right);
    await submitThen(writer, 1, "a", right);
    expect(writer.peek(id(2))).toBeDefined();
    for (let n = 0; n < 200 && writer.peek(id(2)) !== undefined; n += 1) await submitThen(writer, 1, `m-${n}`, right);
    expect(writer.peek(id(2))).toBeUndefined();
    expect(writer.peek(id(1))).toBeDefined();
  });

  /** What a cold load has in memory. */
  const stateOf = async (n: number) => {
    const { decider, decode } = routes.conversation;
    let state = decider.initial();
    const index = decider.index.empty();
    for (const recorded of await kit.log.readStream(streamOf.conversation(id(n)), firstRevision, 10)) {
      state = decider.evolve(state, decode(recorded));
      decider.index.fold(index, decode(recorded), recorded.revision);
    }
    return { state, index };
  };

  it("puts as much into one append as it may hold, and the rest into those after it", async () => {
    await writeLongConversation(kit.log, id(1), 1);
    const writer = writerOn(kit.log, 10_000_000);
    await submitThen(writer, 1, "a", right);
    const before = (await kit.log.head()) + 1;
    const large = "x".repeat(30 * 1024);
    const all = Array.from({ length: 40 }, (_, n) => writer.submit(id(1), messageTo(id(1), `large-${n}`, large)));
    const sequences = (await Promise.all(all)).map((done) =>
      right(done).events.map((event) => ("sequence" in event ? event.sequence : 0)),
    );
    expect(sequences).toEqual(Array.from({ length: 40 }, (_, n) => [n + 3]));
    expect(await kit.log.head()).toBe(before + 39);
  });

  it("answers what the log said of its append, also when what that was decided on has left memory and cannot be read", async () => {
    for (const n of [1, 2, 3, 4]) await writeLongConversation(kit.log, id(n), 1);
    let fail: (() => void) | undefined;
    let isBroken = false;
    const log: EventLog = {
      ...kit.log,
      appendThen: (stream, expected, events, answered, failed) => {
        if (stream !== streamOf.conversation(id(1))) kit.log.appendThen?.(stream, expected, events, answered, failed);
        else
          fail = () => {
            isBroken = true;
            failed(new LogError("TOO_LARGE", "what nothing else here would say"));
          };
      },
      readStream: (...asked) =>
        isBroken ? Promise.reject(new LogError("UNAVAILABLE", "away")) : kit.log.readStream(...asked),
    };
    const writer = writerOn(log, 2 * routes.conversation.weigh(await stateOf(1)));
    const answers: Done[] = [];
    await submitThen(writer, 1, "cold", right);
    const under = submitThen(writer, 1, "under way", (done) => answers.push(done));
    for (const n of [2, 3, 4]) await submitThen(writer, n, "a", right);
    expect(writer.peek(id(1))).toBeUndefined();
    fail?.();
    await under;
    expect(answers.map((done) => E.isLeft(done) && done.left.code)).toEqual(["TOO_LARGE"]);
  });
});
