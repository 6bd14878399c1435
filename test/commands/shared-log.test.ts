import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lookUpIn, readingWith } from "../../src/commands/look-up.js";
import type { EventLog } from "../../src/commands/ports.js";
import { routes } from "../../src/commands/routes.js";
import { sealingWith } from "../../src/commands/sealing/sealing.js";
import { noSnapshots } from "../../src/commands/snapshots.js";
import { createWriter, type Writer } from "../../src/commands/writer.js";
import { decodeConversationEvent } from "../../src/domain/catalogue.js";
import type { Conversation, ConversationCommand } from "../../src/domain/conversation/conversation.js";
import type { ConversationEvent } from "../../src/domain/conversation/conversation.events.js";
import { E, type Either } from "../../src/domain/kernel/fp.js";
import { firstRevision, streamOf } from "../../src/domain/kernel/stream.js";
import { commands as histories, conversationId, decided } from "../kit/conversations.js";
import { contextOf } from "../kit/given.js";
import { commandsOn, emptyIndex, openLogKit, type LogKit } from "../kit/log.js";
import { randomFrom, type Random } from "../kit/random.js";
import { seed, untilSeen } from "../kit/seed.js";
import { someTurns } from "../kit/turns.js";
import { textCipher } from "../kit/text-cipher.js";

let kit: LogKit;
beforeEach(async () => {
  kit = await openLogKit();
});
afterEach(() => kit.dispose());

/** Answers after a random number of turns, so that what others append comes in between. */
const slowly = (log: EventLog, random: Random): EventLog => {
  const later = async <A>(answer: () => Promise<A>): Promise<A> => {
    await someTurns(random, 4);
    return answer();
  };
  return {
    ...log,
    append: (...args) => later(() => log.append(...args)),
    readStream: (...args) => later(() => log.readStream(...args)),
  };
};

type ConversationWriter = Writer<ConversationCommand, Conversation, ConversationEvent>;

/** The write side's conversations, as one of several processes has them. */
const writerOn = (log: EventLog): ConversationWriter =>
  createWriter(
    log,
    {
      ...routes.conversation,
      reading: readingWith(lookUpIn(emptyIndex, log), sealingWith(kit.keys, ["test"], textCipher)),
    },
    { snapshots: noSnapshots(), loadedBytesMax: 1_000_000, isShared: true },
  );

const historyOf = async (id: string): Promise<readonly ConversationEvent[]> =>
  (await kit.log.readStream(streamOf.conversation(id), firstRevision, 10_000)).map(decodeConversationEvent);

/** What was answered, with how many events the log surely had at the call, and had at most at the answer. */
type Answered = {
  readonly command: ConversationCommand;
  readonly answer: Either<
    { readonly code: string },
    { readonly events: readonly unknown[]; readonly revision: number }
  >;
  readonly from: number;
  readonly to: number;
};

/** Whether deciding on what the log had at some moment between the call and the answer says the same. */
const isRightAtSomeMoment = (
  history: readonly ConversationEvent[],
  { command, answer, from, to }: Answered,
): boolean => {
  for (let count = from; count <= to; count += 1) {
    const decision = decided(history.slice(0, count), command);
    if (E.isLeft(answer)) {
      if (E.isLeft(decision) && decision.left.code === answer.left.code) return true;
    } else if (E.isRight(decision) && decision.right.length === 0) return true;
  }
  return false;
};

const expectWritten = (history: readonly ConversationEvent[], { command, answer }: Answered): void => {
  if (E.isLeft(answer)) return;
  const { events, revision } = answer.right;
  const from = revision + 1 - events.length;
  expect(history.slice(from, revision + 1)).toEqual(events);
  // Decided on exactly what is before it.
  const decision = decided(history.slice(0, from), command);
  expect(E.isRight(decision) && decision.right).toEqual(events);
};

const expectGapless = (history: readonly ConversationEvent[]): void => {
  const sequences = history.flatMap((event) => (event.type === "MessageSent" ? [event.sequence] : []));
  expect(sequences).toEqual(sequences.map((_, index) => index + 1));
};

describe("two processes on one log", () => {
  it(`answer what the log says at some moment between the call and the answer (seed ${seed})`, async () => {
    const seen = { refused: 0, needless: 0, written: 0 };
    let conversations = 0;
    const scripts = fc.tuple(histories, fc.nat());
    await untilSeen(seen, 1, (runs) =>
      fc.assert(
        fc.asyncProperty(scripts, async ([script, chance]) => {
          conversations += 1;
          const id = `g_${conversations}`;
          const random = randomFrom(chance);
          const sides = [writerOn(slowly(kit.log, random)), writerOn(slowly(kit.log, random))] as const;
          const answers: Answered[] = [];
          const lengthNow = async (): Promise<number> => (await historyOf(id)).length;
          const perform = async (command: ConversationCommand, side: ConversationWriter): Promise<void> => {
            const from = await lengthNow();
            const answer = await side.submit(id, command);
            answers.push({ command, answer, from, to: await lengthNow() });
          };
          const underWay: Promise<void>[] = [];
          for (const command of script) {
            const die = random.int(10);
            underWay.push(perform(command, sides[die % 2 === 0 ? 0 : 1]));
            // Now and then everything settles, so that one side is behind without anything under way.
            if (die >= 5) await Promise.all(underWay);
          }
          await Promise.all(underWay);
          const history = await historyOf(id);
          expectGapless(history);
          let written = 0;
          for (const each of answers) {
            if (E.isRight(each.answer) && each.answer.right.events.length > 0) {
              written += each.answer.right.events.length;
              seen.written += 1;
              expectWritten(history, each);
              continue;
            }
            seen[E.isLeft(each.answer) ? "refused" : "needless"] += 1;
            expect({ right: isRightAtSomeMoment(history, each), ...each }).toMatchObject({ right: true });
          }
          expect(written).toBe(history.length);
        }),
        runs(150),
      ),
    );
  });

  it("what one has changed is not overlooked by the other: preferences are of present members alone", async () => {
    const [one, two] = [commandsOn(kit, kit.log, { isShared: true }), commandsOn(kit, kit.log, { isShared: true })];
    const context = (userId: string) => contextOf(userId, Date.now(), crypto.randomUUID());
    const started = await one.startGroup({ name: "Friends", participantIds: ["bob"] }, context("alice"));
    if (E.isLeft(started)) throw new Error(started.left.message);
    const { conversationId } = started.right;
    expect(E.isRight(await two.changePreferences({ conversationId, archived: true }, context("bob")))).toBe(true);
    expect(E.isRight(await one.leaveConversation({ conversationId, userId: "bob" }, context("alice")))).toBe(true);
    const answer = await two.changePreferences({ conversationId, archived: false }, context("bob"));
    expect(answer).toMatchObject({ left: { code: "FORBIDDEN" } });
  });

  it("what one has changed is not refused by what the other remembers", async () => {
    const [one, two] = [commandsOn(kit, kit.log, { isShared: true }), commandsOn(kit, kit.log, { isShared: true })];
    const context = (userId: string) => contextOf(userId, Date.now(), crypto.randomUUID());
    const started = await one.startGroup({ name: "Friends", participantIds: ["bob"] }, context("alice"));
    const id = E.isRight(started) ? started.right.conversationId : "";
    const text = { contentType: "text" as const, content: '{"type":"text","text":"Hello"}' };
    const send = (side: typeof one, userId: string, key: string) =>
      side.sendMessage({ conversationId: id, clientMessageId: key, ...text }, context(userId));
    // The other has read the conversation, and knows carol as a stranger.
    expect(await two.othersIn(id, context("carol"))).toMatchObject({ _tag: "Left" });
    await one.joinMembers({ conversationId: id, userIds: ["carol"] }, context("alice"));
    expect(await two.othersIn(id, context("carol"))).toMatchObject({ _tag: "Right" });
    expect(await send(one, "alice", "m1")).toMatchObject({ right: { sequence: 1 } });
    const read = { conversationId: id, readUpTo: 1 };
    expect(await two.advanceReceipts(read, context("carol"))).toMatchObject({ _tag: "Right" });
    await one.leaveConversation({ conversationId: id, userId: "bob" }, context("alice"));
    expect(await send(two, "bob", "m2")).toMatchObject({ _tag: "Left" });
    await one.joinMembers({ conversationId: id, userIds: ["bob"] }, context("alice"));
    expect(await send(two, "bob", "m3")).toMatchObject({ right: { sequence: 2, duplicate: false } });
    await two.changeSettings({ conversationId: id, settings: { onlyAdminsCanPost: true } }, context("alice"));
    expect(await send(one, "bob", "m4")).toMatchObject({ _tag: "Left" });
    const preferences = { conversationId: id, archived: true };
    await one.joinMembers({ conversationId: id, userIds: ["dave"] }, context("alice"));
    expect(await two.changePreferences(preferences, context("dave"))).toMatchObject({ right: { archived: true } });
  });

  it("whether a device may stay is what the log says now, whoever removed it or let it come back", async () => {
    const [one, two] = [commandsOn(kit, kit.log, { isShared: true }), commandsOn(kit, kit.log, { isShared: true })];
    const device = { userId: "alice", deviceId: "laptop" };
    const register = (side: typeof one, tokenIssuedAt: number, now: number) =>
      side.registerDevice({ tokenIssuedAt }, contextOf("alice", now, crypto.randomUUID(), "laptop"));
    const old = { ...device, tokenIssuedAt: 1_000 };
    const newer = { ...device, tokenIssuedAt: 6_000 };
    await register(one, 1_000, 2_000);
    expect(await one.mayStay(old)).toBe(true);
    await two.removeDevice({ deviceId: "laptop" }, contextOf("alice", 5_000, crypto.randomUUID()));
    expect(await one.mayStay(old)).toBe(false);
    expect(await register(two, 6_000, 7_000)).toMatchObject({ _tag: "Right" });
    const head = await kit.log.head();
    expect([await one.mayStay(newer), await one.mayStay(old)]).toEqual([true, false]);
    // It was a question: nothing is written for it.
    expect(await kit.log.head()).toBe(head);
  });

  it("one process alone asks nothing of the log to refuse", async () => {
    const reads: string[] = [];
    const log: EventLog = {
      ...kit.log,
      readStream: (...args) => {
        reads.push(args[0]);
        return kit.log.readStream(...args);
      },
    };
    const alone = commandsOn(kit, log);
    const context = contextOf("alice", Date.now(), crypto.randomUUID());
    const started = await alone.startGroup({ name: "Friends", participantIds: ["bob"] }, context);
    const id = E.isRight(started) ? started.right.conversationId : "";
    const before = reads.length;
    const refused = await alone.leaveConversation({ conversationId: id, userId: "nobody" }, context);
    expect([refused._tag, reads.length - before, conversationId === id]).toEqual(["Left", 0, false]);
  });
});
