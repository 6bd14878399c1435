import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LogError, type EventLog } from "../../src/commands/ports.js";
import { decodeConversationEvent } from "../../src/domain/catalogue.js";
import { E, type Either } from "../../src/domain/kernel/fp.js";
import { firstRevision, noRevision, streamOf } from "../../src/domain/kernel/stream.js";
import { farAway, lagging, leaderless, silentToRepetitions } from "../kit/event-store.js";
import { contextOf } from "../kit/given.js";
import { commandsOn, openLogKit, type LogKit } from "../kit/log.js";

const right = <A>(either: Either<unknown, A>): A => {
  if (E.isLeft(either)) throw new Error(`refused: ${JSON.stringify(either.left)}`);
  return either.right;
};
const context = (userId: string) => contextOf(userId, Date.now(), randomUUID());
const textOf = (text: string) => ({ contentType: "text" as const, content: JSON.stringify({ type: "text", text }) });

describe("several processes that write one conversation", () => {
  let kit: LogKit;
  beforeEach(async () => {
    kit = await openLogKit();
  });
  afterEach(() => kit.dispose());

  const sideOn = (log: EventLog = kit.log) => commandsOn(kit, log, { isShared: true });
  type Side = ReturnType<typeof sideOn>;
  const startGroup = async (side: Side, participantIds: readonly string[] = ["bob"]): Promise<string> =>
    right(await side.startGroup({ name: "Busy", participantIds }, context("alice"))).conversationId;
  const send = (side: Side, conversationId: string, clientMessageId: string, text = "Hello", userId = "alice") =>
    side.sendMessage({ conversationId, clientMessageId, ...textOf(text) }, context(userId));
  const messagesIn = async (conversationId: string) =>
    (await kit.log.readStream(streamOf.conversation(conversationId), firstRevision, 20_000))
      .map(decodeConversationEvent)
      .filter((event) => event.type === "MessageSent");

  it("refuse none of what twenty members send at once over four of them", async () => {
    const sides = Array.from({ length: 4 }, () => sideOn(farAway(kit.log, 1)));
    const [first] = sides as [Side, ...Side[]];
    const others = Array.from({ length: 19 }, (_, i) => `member-${i}`);
    const conversationId = await startGroup(first, others);
    const perMember = 150;
    const refused: unknown[] = [];
    const member = async (userId: string, side: Side): Promise<void> => {
      for (let i = 0; i < perMember; i += 1) {
        const sent = await send(side, conversationId, `m-${i}`, "Hello", userId);
        if (E.isLeft(sent)) refused.push(sent.left);
      }
    };
    await Promise.all(["alice", ...others].map((userId, i) => member(userId, sides[i % 4] ?? first)));
    expect(refused).toEqual([]);
    const sequences = (await messagesIn(conversationId)).map(({ sequence }) => sequence);
    expect(sequences).toEqual(Array.from({ length: 20 * perMember }, (_, i) => i + 1));
  });

  it("wait for a store whose reads lag behind its conflicts, and append no more before it has come so far", async () => {
    const follower = lagging(kit.log);
    const [one, two] = [sideOn(), sideOn(follower.log)];
    const conversationId = await startGroup(one);
    right(await send(two, conversationId, "m-1"));
    await follower.fallBehind(40);
    for (let i = 0; i < 5; i += 1) right(await send(one, conversationId, `n-${i}`));
    const before = follower.counts.appends;
    expect(right(await send(two, conversationId, "m-2"))).toMatchObject({ sequence: 7, duplicate: false });
    expect(follower.counts.appends - before).toBe(2);
  });

  it("are told apart when they take one key for two contents at once: the second answers what was accepted", async () => {
    const gates: (() => void)[] = [];
    const held: EventLog = {
      ...kit.log,
      append: async (...asked) => {
        await new Promise<void>((open) => gates.push(open));
        return kit.log.append(...asked);
      },
    };
    const [one, two] = [sideOn(), sideOn(held)];
    const conversationId = await startGroup(one);
    for (const [other, expected] of [
      ["Bye", { left: { code: "DUPLICATE_MESSAGE" } }],
      ["Hello", { right: { duplicate: true } }],
    ] as const) {
      const key = randomUUID();
      const second = send(two, conversationId, key, other);
      await vi.waitFor(() => {
        expect(gates).toHaveLength(1);
      });
      const accepted = right(await send(one, conversationId, key, "Hello"));
      gates.shift()?.();
      const answer = await second;
      expect(answer).toMatchObject(expected);
      if (E.isRight(answer)) expect(answer.right).toEqual({ ...accepted, duplicate: true, position: 0 });
    }
    // Each of the two knows the other's messages: the next is the third.
    const third = send(two, conversationId, "m-3");
    await vi.waitFor(() => {
      expect(gates).toHaveLength(1);
    });
    gates.shift()?.();
    expect(right(await third)).toMatchObject({ sequence: 3 });
  });

  it("accept once what is repeated while the original is under way", async () => {
    const log = silentToRepetitions(kit.log);
    let appends = 0;
    // The answer of the first is lost before it has come: the repetition meets it under way.
    const impatient: EventLog = {
      ...log,
      append: (...asked) => {
        appends += 1;
        const answer = log.append(...asked);
        return appends === 1 ? Promise.reject(new LogError("OUTCOME_UNKNOWN", "no answer")) : answer;
      },
    };
    const conversationId = await startGroup(sideOn(impatient));
    expect(appends).toBeGreaterThan(1);
    expect(right(await send(sideOn(), conversationId, "m-1"))).toMatchObject({ sequence: 1, pos: 2 });
  });

  it("wait while nobody leads the log", async () => {
    const conversationId = await startGroup(sideOn());
    expect(right(await send(sideOn(leaderless(kit.log, 6)), conversationId, "m-1"))).toMatchObject({ sequence: 1 });
  });

  it("are overtaken for ten seconds at most: then it is UNAVAILABLE, and never CONFLICT", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "performance"] });
    try {
      let appends = 0;
      const overtaken: EventLog = {
        ...kit.log,
        append: () => {
          appends += 1;
          return Promise.resolve({ kind: "conflict", actual: noRevision });
        },
        readStream: () => Promise.resolve([]),
      };
      // Without a name: no key is waited for while time stands still.
      const answer = sideOn(overtaken).startDirect({ peerId: "bob" }, context("alice"));
      await vi.advanceTimersByTimeAsync(9_000);
      const inNineSeconds = appends;
      await vi.advanceTimersByTimeAsync(2_000);
      expect(await answer).toMatchObject({ left: { code: "UNAVAILABLE", retryAfter: 1 } });
      expect(inNineSeconds).toBeGreaterThan(100);
    } finally {
      vi.useRealTimers();
    }
  });
});
