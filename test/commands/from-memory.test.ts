import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CommandSide } from "../../src/commands/execute.js";
import { LogError, type AppendThen, type EventLog } from "../../src/commands/ports.js";
import { sealingWith } from "../../src/commands/sealing/sealing.js";
import { decodeEvent } from "../../src/domain/catalogue.js";
import { E } from "../../src/domain/kernel/fp.js";
import { messageIdOf } from "../../src/domain/kernel/ids.js";
import { firstRevision, noPosition, streamOf } from "../../src/domain/kernel/stream.js";
import { contextOf } from "../kit/given.js";
import { textCipher } from "../kit/text-cipher.js";
import { commandsOn, openLogKit, type LogKit } from "../kit/log.js";
import { seed, untilSeen } from "../kit/seed.js";
import { right } from "../kit/answers.js";

const content = (text: string) => ({ contentType: "text" as const, content: JSON.stringify({ type: "text", text }) });
/** The same log without the way by which most commands are written from memory. */
const withPromises = (log: EventLog): EventLog => {
  const { append, readStream, readAll, subscribe, head } = log;
  return { append, readStream, readAll, subscribe, head };
};

const user = fc.constantFrom("alice", "bob", "mallory");
const wish = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("send" as const), user, key: fc.nat(9), to: fc.nat(1), reply: fc.nat(12) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("edit" as const), user, key: fc.nat(9), to: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("delete" as const), user, key: fc.nat(9), to: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("leave" as const), user, to: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("join" as const), user, to: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const) }) },
);
type Wish = typeof wish extends fc.Arbitrary<infer A> ? A : never;

describe(`commands that are decided from memory and called back by the log (seed ${seed})`, () => {
  let kits: LogKit[] = [];
  const open = async (): Promise<LogKit> => {
    const kit = await openLogKit();
    kits.push(kit);
    return kit;
  };
  beforeEach(() => {
    kits = [];
  });
  afterEach(async () => {
    for (const kit of kits) await kit.dispose();
  });

  const plain = (kit: LogKit, log: EventLog = kit.log) =>
    commandsOn(kit, log, { sealing: sealingWith(kit.keys, undefined, textCipher) });
  const startGroup = async (commands: CommandSide, name: string, commandId: string = randomUUID()): Promise<string> => {
    const command = { name, participantIds: ["bob"], clientRequestId: name };
    return right(await commands.startGroup(command, contextOf("alice", 1, commandId))).conversationId;
  };

  /** What every wish was answered, and all that the log has then. */
  const outcomesOf = async (commands: CommandSide, log: EventLog, wishes: readonly Wish[], prefix: string) => {
    const before = await log.head();
    const groups = await Promise.all(
      [`${prefix}0`, `${prefix}1`].map((name) => startGroup(commands, name, `start ${name}`)),
    );
    const sent = new Map<string, string>();
    const outcomes: Promise<unknown>[] = [];
    for (const [index, wished] of wishes.entries()) {
      if (wished.do === "wait") {
        await Promise.all(outcomes);
        continue;
      }
      const conversationId = groups[wished.to] ?? "";
      const context = contextOf(wished.user, 10 + index, `${prefix} ${index}`);
      const key = "key" in wished ? `${prefix} ${wished.key}` : "";
      const messageId = sent.get(`${wished.to} ${wished.user} ${key}`) ?? randomlyNone;
      if (wished.do === "send") {
        const replyTo = [...sent.values()][wished.reply];
        const message = {
          conversationId,
          clientMessageId: key,
          ...content(key),
          ...(replyTo === undefined ? {} : { replyTo }),
        };
        const outcome = commands.sendMessage(message, context);
        outcomes.push(outcome);
        sent.set(`${wished.to} ${wished.user} ${key}`, messageIdOf(conversationId, context.by, key));
      } else if (wished.do === "edit")
        outcomes.push(commands.editMessage({ conversationId, messageId, ...content(`${index}`) }, context));
      else if (wished.do === "delete") outcomes.push(commands.deleteMessage({ conversationId, messageId }, context));
      else if (wished.do === "leave")
        outcomes.push(commands.leaveConversation({ conversationId, userId: wished.user }, context));
      else
        outcomes.push(
          commands.joinMembers(
            { conversationId, userIds: [wished.user] },
            contextOf("alice", 10 + index, `${prefix} ${index}`),
          ),
        );
    }
    const answers = await Promise.all(outcomes);
    expect(commands.pending()).toBe(0);
    const events = await log.readAll(before, 10_000);
    const streams = groups.map((id) =>
      events.filter(({ stream }) => stream === streamOf.conversation(id)).map(decodeEvent),
    );
    return { answers: answers.map(withoutPosition), streams };
  };
  const randomlyNone = "00000000-0000-5000-8000-000000000000";
  /** Where in the log it stands depends on what other conversations wrote in between. */
  const withoutPosition = (answer: unknown): unknown =>
    JSON.parse(JSON.stringify(answer, (key, value: unknown) => (key === "position" ? undefined : value)));

  it("answer and write what they do on a log that is awaited", async () => {
    const [quick, slow] = [await open(), await open()];
    const onQuick = plain(quick);
    const onSlow = plain(slow, withPromises(slow.log));
    const seen = { accepted: 0, refused: 0 };
    let run = 0;
    await untilSeen(seen, 20, (runs) =>
      fc.assert(
        fc.asyncProperty(fc.array(wish, { maxLength: 30 }), async (wishes) => {
          const prefix = `run ${run++}`;
          const expected = await outcomesOf(onSlow, slow.log, wishes, prefix);
          expect(await outcomesOf(onQuick, quick.log, wishes, prefix)).toEqual(expected);
          for (const answer of expected.answers as { _tag: string }[])
            seen[answer._tag === "Right" ? "accepted" : "refused"] += 1;
        }),
        runs(60),
      ),
    );
  });

  it("are decided again on what another process wrote meanwhile", async () => {
    const kit = await open();
    const [one, other] = [plain(kit), plain(kit)];
    const conversationId = await startGroup(one, "g");
    const send = (commands: CommandSide, key: string) =>
      commands.sendMessage(
        { conversationId, clientMessageId: key, ...content(key) },
        contextOf("alice", 5, randomUUID()),
      );
    right(await send(one, "a"));
    right(await send(other, "b"));
    expect(right(await send(one, "c"))).toMatchObject({ sequence: 3, duplicate: false });
    expect(right(await send(one, "b"))).toMatchObject({ sequence: 2, duplicate: true });
  });

  /** A log whose appends by call-back end as they are told to, one after another, and then go on. */
  const failing = (kit: LogKit, ...faults: readonly AppendThen[]): EventLog => {
    const left = [...faults];
    const { log } = kit;
    return { ...log, appendThen: (...append) => (left.shift() ?? log.appendThen)?.(...append) };
  };
  const fails =
    (code: ConstructorParameters<typeof LogError>[0]): AppendThen =>
    (_stream, _expected, _events, _answered, failed) => {
      queueMicrotask(() => {
        failed(new LogError(code, "a fault"));
      });
    };

  it("are refused when the log does not take them, and those after them are not", async () => {
    const kit = await open();
    const commands = plain(kit, failing(kit, fails("UNAVAILABLE"), fails("TOO_LARGE")));
    const conversationId = await startGroup(plain(kit), "g");
    const send = (key: string) =>
      commands.sendMessage(
        { conversationId, clientMessageId: key, ...content(key) },
        contextOf("alice", 5, randomUUID()),
      );
    // Not from memory are the first, since the conversation has to be read, and what comes after one that was not taken.
    const answers = [await send("a"), await send("b"), await send("c"), await send("d"), await send("e")];
    const said = answers.map((answer) => (E.isLeft(answer) ? answer.left.code : answer.right.sequence));
    expect(said).toEqual([1, "UNAVAILABLE", 2, "TOO_LARGE", 3]);
    expect(commands.pending()).toBe(0);
  });

  it("are repeated as they are until the log says what became of them, and stand there once", async () => {
    const kit = await open();
    const lost: AppendThen = (stream, expected, events, _answered, failed) => {
      void kit.log.append(stream, expected, events).then(() => {
        failed(new LogError("OUTCOME_UNKNOWN", "the answer was lost"));
      });
    };
    const commands = plain(kit, failing(kit, lost, fails("OUTCOME_UNKNOWN")));
    const conversationId = await startGroup(plain(kit), "g");
    const send = (key: string) =>
      commands.sendMessage(
        { conversationId, clientMessageId: key, ...content(key) },
        contextOf("alice", 5, randomUUID()),
      );
    const answers = [await send("a"), await send("b"), await send("c"), await send("d")];
    expect(answers.map((answer) => right(answer).sequence)).toEqual([1, 2, 3, 4]);
    const events = await kit.log.readStream(streamOf.conversation(conversationId), firstRevision, 100);
    expect(events.filter(({ type }) => type === "MessageSent")).toHaveLength(4);
  });

  it("are answered in the order of the log, those too that a callback submits", async () => {
    const kit = await open();
    const commands = plain(kit);
    const conversationId = await startGroup(commands, "g");
    const order: string[] = [];
    const send = (key: string): Promise<void> =>
      new Promise((resolve, reject) => {
        const message = { conversationId, clientMessageId: key, ...content(key) };
        commands.sendMessageThen(
          message,
          contextOf("alice", 5, randomUUID()),
          (outcome) => {
            order.push(`${key} ${right(outcome).sequence}`);
            resolve(key.length < 3 ? send(`${key}+`) : undefined);
          },
          reject,
        );
      });
    await Promise.all([send("a"), send("b")]);
    expect(order).toEqual(["a 1", "b 2", "a+ 3", "b+ 4", "a++ 5", "b++ 6"]);
    expect(await kit.log.head()).toBeGreaterThan(noPosition);
  });
});
