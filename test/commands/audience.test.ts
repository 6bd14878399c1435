import { afterEach, beforeEach, expect, it } from "vitest";
import { createAudience, othersIn } from "../../src/commands/audience.js";
import type { EventLog } from "../../src/commands/ports.js";
import { noSnapshots } from "../../src/commands/snapshots.js";
import { E } from "../../src/domain/kernel/fp.js";
import { contextOf } from "../kit/given.js";
import { commandsOn, countingReads, openLogKit, type LogKit } from "../kit/log.js";

let kit: LogKit;
beforeEach(async () => {
  kit = await openLogKit();
});
afterEach(() => kit.dispose());

const context = (userId: string) => contextOf(userId, Date.now(), crypto.randomUUID());

const startGroup = async (others: readonly string[]): Promise<string> => {
  const started = await commandsOn(kit).startGroup({ name: "Friends", participantIds: others }, context("alice"));
  return E.isRight(started) ? started.right.conversationId : "";
};

/** As a gateway that has nothing in memory, with a clock that stands still unless it is told otherwise. */
const audienceOn = (log: Pick<EventLog, "readStream">) => {
  let at = 0;
  const now = () => at;
  const audience = createAudience({ peek: () => undefined, log, snapshots: noSnapshots(), now });
  return {
    audience,
    othersOf: (id: string, userId: string) => othersIn(audience, id, userId, now),
    pass: (ms: number) => void (at += ms),
  };
};

it("a thousand who ask within a second read the log once, and hear of a member who left a second later at most", async () => {
  const id = await startGroup(["bob", "carol"]);
  const { log, reads } = countingReads(kit.log);
  const { audience, othersOf, pass } = audienceOn(log);
  const all = await Promise.all(Array.from({ length: 1_000 }, () => othersOf(id, "alice")));
  expect(all.every((answer) => E.isRight(answer) && answer.right.userIds?.join() === "bob,carol")).toBe(true);
  expect(reads.calls).toBe(1);
  await commandsOn(kit).leaveConversation({ conversationId: id, userId: "bob" }, context("alice"));
  pass(999);
  expect([...((await audience.of(id))?.present.keys() ?? [])]).toEqual(["alice", "bob", "carol"]);
  pass(1);
  expect([...((await audience.of(id))?.present.keys() ?? [])]).toEqual(["alice", "carol"]);
  // Only what is new was read.
  expect(reads).toEqual({ calls: 2, events: 3 });
  expect(await othersOf(id, "bob")).toMatchObject({ left: { code: "FORBIDDEN" } });
});

it("a user who joined a moment ago is no stranger, and nobody is a member of what does not exist", async () => {
  const id = await startGroup(["bob"]);
  const { othersOf, pass } = audienceOn(kit.log);
  expect(await othersOf(id, "carol")).toMatchObject({ left: { code: "CONVERSATION_NOT_FOUND" } });
  await commandsOn(kit).joinMembers({ conversationId: id, userIds: ["carol"] }, context("alice"));
  pass(1);
  expect(await othersOf(id, "carol")).toMatchObject({ right: { userIds: ["alice", "bob"] } });
  expect(await othersOf("g_none", "carol")).toMatchObject({ left: { code: "CONVERSATION_NOT_FOUND" } });
});

it("a log that does not answer has no more than 32 reads to do for typing, and nobody waits for it beyond a second", async () => {
  let asked = 0;
  const silent: Pick<EventLog, "readStream"> = {
    readStream: () => {
      asked += 1;
      return new Promise(() => undefined);
    },
  };
  const { audience } = audienceOn(silent);
  const answers = Array.from({ length: 2_000 }, (_, index) => audience.of(`g_${index % 100}`));
  // Those without a place are answered at once, the others when their time is over.
  expect(await Promise.all(answers)).toEqual(answers.map(() => undefined));
  expect(asked).toBe(32);
});

it("typing waits behind no command, and no command behind typing: not where an append does not end, nor where reads do not", async () => {
  const id = await startGroup(["bob"]);
  let answerAppend: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (answerAppend = resolve));
  let reads = 0;
  const log: EventLog = {
    ...kit.log,
    append: (...asked) => held.then(() => kit.log.append(...asked)),
  };
  const background: Pick<EventLog, "readStream"> = {
    readStream: () => {
      reads += 1;
      return new Promise(() => undefined);
    },
  };
  const commands = commandsOn(kit, log, { background, isShared: true });
  const text = { contentType: "text" as const, content: '{"type":"text","text":"Hello"}' };
  const send = (key: string) =>
    commands.sendMessage({ conversationId: id, clientMessageId: key, ...text }, context("alice"));
  const sent = send("m1");
  // The send has read the log, and waits for its append; typing reads by itself, and waits for no command's turn.
  const others = commands.othersIn(id, context("bob"));
  const among = commands.membersAmong(id, ["alice", "bob"]);
  expect(await others).toEqual(E.right({}));
  expect(await among).toEqual(["alice", "bob"]);
  expect(reads).toBe(1);
  answerAppend();
  expect(await sent).toMatchObject({ right: { sequence: 1 } });
  // In memory now: the log is not asked, while the next append is under way as well.
  const next = send("m2");
  expect(await commands.othersIn(id, context("bob"))).toEqual(E.right({ userIds: ["alice"] }));
  expect(reads).toBe(1);
  expect(await next).toMatchObject({ right: { sequence: 2 } });
});
