import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { E } from "../../../src/domain/kernel/fp.js";
import type { AdvanceReceipts } from "../../../src/commands/commands.js";
import { gatewayLimits as bounds } from "../../../src/gateway/limits.js";
import { createFrameDecoder } from "../../../src/gateway/protocol/frames.js";
import type { Failure } from "../../../src/gateway/protocol/codes.js";
import { endOfPlain, entryOfPlain, opening, step } from "../../../src/gateway/session/session.js";
import type { ConnectedPayload, ServerFrame } from "../../../src/gateway/protocol/server-frames.js";
import type {
  SessionEffect,
  SessionInput,
  SessionState,
  SessionStep,
} from "../../../src/gateway/session/session-types.js";
import { withSeed } from "../../kit/seed.js";

/**
 * A world around the machine, in virtual time: effects wait in `open` until `settle` answers one of them, timers run
 * when time passes. Receipts beyond `head` are refused, as the log would.
 */
const head = 50;
const heartbeatIntervalMs = 1000;
const actor = { userId: "alice", deviceId: "phone" };
const config = {
  actor,
  heartbeatIntervalMs,
  decode: createFrameDecoder({ maxMessageBytes: 1024, maxFrameBytes: 65536 }),
};
const times = { serverTime: 0, heartbeatInterval: heartbeatIntervalMs };
const greeting: ConnectedPayload = { connectionId: "c", ...actor, epoch: "e", ...times, limits: {} };
const place = { conversationId: "g_a", sequence: 1, pos: 1 };
const accepted = { clientMessageId: "m", messageId: "m", ...place, timestamp: 0, duplicate: false };
const synced = { epoch: "e", reset: false, conversations: [], newConversations: [], left: [], serverTime: 0 };
const answers: Readonly<Record<"sync" | "message" | "change" | "typing", ServerFrame>> = {
  sync: { type: "sync.result", payload: synced },
  message: { type: "message.ack", payload: accepted },
  change: { type: "ack", payload: {} },
  typing: { type: "ack", payload: {} },
};

/** How often a message could go past the machine, and did not have to. */
const lane = { entered: 0, ended: 0, leftToMachine: 0 };
/** What goes past the machine leaves it as the machine would have left itself, and has done what it would have asked for. */
const holdLane = (before: SessionState, input: SessionInput, { state, effects }: SessionStep): void => {
  if (input.kind === "text") {
    const { text, now, receivedAt } = input;
    const frame = config.decode(text);
    expect(step(config, before, { ...input, frame })).toEqual({ state, effects });
    const entered = entryOfPlain(before, text.length, now, receivedAt);
    if (frame.kind !== "request" || frame.request.type !== "message.send") return;
    if (entered === undefined) {
      lane.leftToMachine += 1;
      return;
    }
    lane.entered += 1;
    const { address, request: asked } = frame;
    const request = { type: asked.type, address, weight: 1, chars: text.length, receivedAt };
    expect({ state, effects }).toEqual({
      state: entered,
      effects: [{ kind: "message", request, message: asked.message }],
    });
  } else if (input.kind === "answered" && input.request.type === "message.send" && E.isRight(input.answer)) {
    lane.ended += 1;
    const { request, answer } = input;
    const { id } = request.address;
    const frame = { type: answer.right.type, ...(id === undefined ? {} : { id }), payload: answer.right.payload };
    const said = before.phase === "closed" ? {} : { frame };
    expect({ state, effects }).toEqual({
      state: endOfPlain(before, request.chars),
      effects: [{ kind: "answer", type: "message.send", outcome: "ok", request, ...said }],
    });
  }
};

type Open = Extract<SessionEffect, { kind: "message" | "change" | "typing" | "receipts" | "sync" | "authenticate" }>;

const createWorld = ({ expiresAt = 1_000_000_000, connected = true } = {}) => {
  let state: SessionState = opening(expiresAt, 0);
  let now = 0;
  const frames: ServerFrame[] = [];
  const effects: { at: number; effect: SessionEffect }[] = [];
  const open: Open[] = [];
  const timers: number[] = [];

  const feed = (input: SessionInput): void => {
    const before = JSON.stringify({ ...state, receipts: [...state.receipts.waiting] });
    const previous = state;
    const next = step(config, state, input);
    holdLane(previous, input, next);
    // The machine is pure: what it was given is as it was.
    expect(JSON.stringify({ ...previous, receipts: [...previous.receipts.waiting] })).toBe(before);
    state = next.state;
    for (const effect of next.effects) {
      effects.push({ at: now, effect });
      if (effect.kind === "timer") timers.push(now + effect.delayMs);
      else if (effect.kind === "greet" || effect.kind === "answer") {
        if (effect.frame) frames.push(effect.frame);
      } else if (effect.kind !== "close") open.push(effect);
    }
  };
  const answerTo = (effect: Open, refuseWith?: Failure): SessionInput => {
    switch (effect.kind) {
      case "receipts": {
        const asked = Math.max(effect.advance.deliveredUpTo ?? 0, effect.advance.readUpTo ?? 0);
        const failure: Failure | undefined =
          refuseWith ?? (asked > head ? { code: "INVALID_MESSAGE", message: "beyond the last message" } : undefined);
        return { kind: "receipts_settled", batch: effect.batch, ...(failure ? { failure } : {}) };
      }
      case "authenticate":
        return {
          kind: "authenticated",
          request: effect.request,
          result: refuseWith
            ? E.left({ code: "UNAUTHORIZED", message: "no" })
            : E.right({ ...actor, expiresAt: now + 1_000_000 }),
        };
      case "change":
      case "typing":
      case "message":
      case "sync": {
        const answer = refuseWith ? E.left(refuseWith) : E.right(answers[effect.kind]);
        return { kind: "answered", request: effect.request, answer };
      }
    }
  };
  const world = {
    frames,
    effects,
    open,
    feed,
    text: (frame: unknown) => {
      const text = typeof frame === "string" ? frame : JSON.stringify(frame);
      feed({ kind: "text", text, now, receivedAt: now });
    },
    settle: (index: number, refuseWith?: Failure) => {
      const [effect] = open.splice(index % open.length, 1);
      if (effect) feed(answerTo(effect, refuseWith));
    },
    settleAll: () => {
      while (open.length > 0) world.settle(0);
    },
    pass: (ms: number) => {
      const until = now + ms;
      for (;;) {
        const due = Math.min(...timers);
        if (due > until) break;
        timers.splice(timers.indexOf(due), 1);
        now = due;
        feed({ kind: "receipts_due" });
      }
      now = until;
    },
    tick: () => {
      feed({ kind: "tick", now, at: now });
    },
    state: () => state,
    closes: () => effects.flatMap(({ effect }) => (effect.kind === "close" ? [effect.why] : [])),
    advances: () => effects.flatMap(({ effect }) => (effect.kind === "receipts" ? [effect.advance] : [])),
    answersTo: (id: string) => frames.filter((frame) => frame.id === id),
  };
  if (connected) feed({ kind: "connected", payload: greeting, now, at: now });
  return world;
};

const send = (id: string | undefined, clientMessageId = "k") => ({
  type: "message.send",
  id,
  payload: { conversationId: "d_1", clientMessageId, content: { type: "text", text: "hi" } },
});
const receipt = (type: string, id: string | undefined, conversationId: string, upToSequence: number) => ({
  type,
  id,
  payload: { conversationId, upToSequence },
});

const conversation = fc.constantFrom("d_1", "d_2", "g_3");
const upTo = fc.integer({ min: 0, max: head + 5 });
const receiptType = fc.constantFrom("message.delivered", "message.read");
const frameArbitrary = fc.oneof(
  fc.record({ type: fc.constant("message.send"), payload: fc.constant(send(undefined).payload) }),
  fc.record({ type: receiptType, payload: fc.record({ conversationId: conversation, upToSequence: upTo }) }),
  fc.record({
    type: receiptType,
    payload: fc.record({
      cursors: fc.array(fc.record({ conversationId: conversation, upToSequence: upTo }), { maxLength: 5 }),
    }),
  }),
  fc.record({
    type: fc.constantFrom("message.edit", "message.delete", "reaction.add", "reaction.remove", "typing.start"),
    payload: fc.constant({ ...send(undefined).payload, messageId: "00000000-0000-5000-8000-000000000000", emoji: "a" }),
  }),
  fc.record({ type: fc.constantFrom("heartbeat", "sync"), payload: fc.constant({}) }),
  fc.record({ type: fc.constant("auth.refresh"), payload: fc.constant({ token: "t" }) }),
  fc.record({ type: fc.constantFrom("message.send", "nonsense", "sync"), payload: fc.constant({ limit: -1 }) }),
);
type Frame = { type: string; payload: object };
const action = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("frame" as const), frame: frameArbitrary, named: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("settle" as const), index: fc.nat(50), fails: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 300 }) }) },
);
const unavailable: Failure = { code: "UNAVAILABLE", message: "not now" };

const cursorsOf = ({ type, payload }: Frame) => {
  const cursors = "cursors" in payload ? payload.cursors : [payload];
  return type === "message.delivered" || type === "message.read"
    ? (cursors as { conversationId: string; upToSequence: number }[])
    : [];
};
const covers = (advance: AdvanceReceipts, type: string, conversationId: string, sequence: number): boolean =>
  advance.conversationId === conversationId &&
  (advance.deliveredUpTo ?? -1) >= sequence &&
  (type === "message.delivered" || (advance.readUpTo ?? -1) >= sequence);

describe("a session, whatever is sent and whenever it is answered", () => {
  it("answers each id exactly once, and coalesces receipts for at most 250 ms without losing one", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
        const world = createWorld();
        const sent: { id: string | undefined; frame: Frame; effectsBefore: number; at: number }[] = [];
        let clock = 0;
        let outages = false;
        for (const [index, todo] of actions.entries()) {
          if (todo.do === "frame") {
            const id = todo.named ? `r${index}` : undefined;
            sent.push({ id, frame: todo.frame, effectsBefore: world.effects.length, at: clock });
            world.text({ ...todo.frame, id });
          } else if (todo.do === "pass") {
            clock += todo.ms;
            world.pass(todo.ms);
          } else if (world.open.length > 0) {
            const fails = todo.fails === 0;
            outages ||= fails;
            world.settle(todo.index, fails ? unavailable : undefined);
          }
        }
        world.pass(bounds.receiptsDelayMsMax);
        world.settleAll();

        for (const { id, frame, effectsBefore, at } of sent) {
          if (id !== undefined) expect(world.answersTo(id)).toHaveLength(1);
          const later = world.effects.slice(effectsBefore);
          for (const { conversationId, upToSequence } of cursorsOf(frame)) {
            const written = later.find(
              ({ effect }) =>
                effect.kind === "receipts" && covers(effect.advance, frame.type, conversationId, upToSequence),
            );
            expect(written?.at).toBeLessThanOrEqual(at + bounds.receiptsDelayMsMax);
          }
          // One absurd cursor must not take with it what was sent beside it.
          if (id === undefined || outages || cursorsOf(frame).length === 0) continue;
          const good = cursorsOf(frame).every(({ upToSequence }) => upToSequence <= head);
          expect(world.answersTo(id)[0]?.type).toBe(good ? "ack" : "error");
        }
        expect(world.frames.filter(({ type, id }) => type === "ack" && id === undefined)).toEqual([]);
        expect(world.state()).toMatchObject({ inFlight: 0, charsInFlight: 0 });
        expect(world.state().receipts.spread.size).toBe(0);
      }),
      withSeed({ numRuns: 300 }),
    );
  });

  it("lets a plain message past it only where it would have had nothing else to say", () => {
    // Held at every step of every history, of this file's other tests too: here it is made sure that there were such steps.
    const world = createWorld();
    world.text(send("a"));
    world.settleAll();
    world.text(receipt("message.read", undefined, "d_1", 1));
    world.text(send("b"));
    world.feed({ kind: "closed" });
    world.settleAll();
    for (const times of Object.values(lane)) expect(times).toBeGreaterThan(0);
  });

  it("writes every receipt that it has taken, even when the socket goes at any moment", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(receiptType, conversation, upTo), { maxLength: 40 }), fc.nat(400), (all, ms) => {
        const world = createWorld();
        for (const [type, conversationId, sequence] of all)
          world.text(receipt(type, undefined, conversationId, sequence));
        world.pass(ms);
        world.feed({ kind: "closed" });
        for (const [type, conversationId, sequence] of all)
          expect(world.advances().some((advance) => covers(advance, type, conversationId, sequence))).toBe(true);
      }),
      withSeed({ numRuns: 100 }),
    );
  });

  it("calls the writes of a conversation in the order in which they were sent", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.nat(60), (count, waitFor) => {
        const world = createWorld({ connected: false });
        for (let n = 0; n < count; n++) {
          if (n === waitFor) world.feed({ kind: "connected", payload: greeting, now: 0, at: 0 });
          world.text(send(`r${n}`, `k${n}`));
        }
        world.feed({ kind: "connected", payload: greeting, now: 0, at: 0 });
        const called = world.open.flatMap((effect) =>
          effect.kind === "message" ? [effect.message.clientMessageId] : [],
        );
        expect(called).toEqual(Array.from({ length: count }, (_, n) => `k${n}`));
      }),
      withSeed({ numRuns: 100 }),
    );
  });
});

describe("receipts", () => {
  it("become one command with the maxima, and every request that named an id gets its ack then", () => {
    const world = createWorld();
    world.text(receipt("message.delivered", "a", "d_1", 9));
    world.text(receipt("message.read", "b", "d_1", 4));
    world.text(receipt("message.read", undefined, "d_1", 2));
    expect(world.open).toHaveLength(0);
    world.pass(250);
    expect(world.advances()).toEqual([{ conversationId: "d_1", deliveredUpTo: 9, readUpTo: 4 }]);
    expect(world.frames.filter(({ type }) => type === "ack")).toEqual([]);
    world.settleAll();
    expect(world.frames.slice(1)).toEqual([
      { type: "ack", id: "a", payload: { conversationId: "d_1" } },
      { type: "ack", id: "b", payload: { conversationId: "d_1" } },
    ]);
  });

  it("of several conversations are answered once, with the conversation that was refused", () => {
    const world = createWorld();
    const cursors = [
      { conversationId: "d_1", upToSequence: 1 },
      { conversationId: "d_2", upToSequence: head + 1 },
    ];
    world.text({ type: "message.read", id: "a", payload: { cursors } });
    world.pass(250);
    world.settleAll();
    expect(world.answersTo("a")).toMatchObject([
      { type: "error", payload: { code: "INVALID_MESSAGE", conversationId: "d_2" } },
    ]);
  });

  it("do not wait when very many wait, nor when a sync asks for them, nor when the server drains", () => {
    const world = createWorld();
    for (let n = 0; n < bounds.receiptsWaitingMax; n++) world.text(receipt("message.read", undefined, "d_1", n));
    expect(world.advances()).toHaveLength(1);
    world.text(receipt("message.read", undefined, "d_2", 1));
    world.text({ type: "sync", id: "s", payload: {} });
    expect(world.open.map(({ kind }) => kind)).toEqual(["receipts", "receipts", "sync"]);
    world.text(receipt("message.read", undefined, "d_2", 2));
    world.feed({ kind: "flush" });
    expect(world.advances()).toHaveLength(3);
  });
});

describe("the life of a connection", () => {
  it("ends with 4408 after three silent intervals, not before", () => {
    const world = createWorld();
    world.pass(2 * heartbeatIntervalMs);
    world.text({ type: "heartbeat" });
    world.pass(3 * heartbeatIntervalMs - 1);
    world.tick();
    expect(world.closes()).toEqual([]);
    world.pass(1);
    world.tick();
    world.tick();
    expect(world.closes()).toEqual(["heartbeatLost"]);
  });

  it("ends with 4401 when the token does, by the clock or by the next frame; a refreshed one lives on", () => {
    const byClock = createWorld({ expiresAt: 2000 });
    byClock.pass(2000);
    byClock.tick();
    const byFrame = createWorld({ expiresAt: 2000 });
    byFrame.pass(2000);
    byFrame.text(send("a"));
    expect(byFrame.open).toEqual([]);
    const refreshed = createWorld({ expiresAt: 2000 });
    refreshed.text({ type: "auth.refresh", id: "a", payload: { token: "t" } });
    refreshed.settleAll();
    refreshed.pass(2000);
    refreshed.tick();
    expect([byClock.closes(), byFrame.closes(), refreshed.closes()]).toEqual([["tokenExpired"], ["tokenExpired"], []]);
    expect(refreshed.answersTo("a")).toEqual([{ type: "ack", id: "a", payload: {} }]);
  });

  it("does not take another user's or device's token", () => {
    const world = createWorld({ expiresAt: 2000 });
    for (const other of [
      { userId: "mallory", deviceId: "phone" },
      { userId: "alice", deviceId: "laptop" },
    ]) {
      world.text({ type: "auth.refresh", id: other.userId, payload: { token: "t" } });
      const effect = world.open.pop();
      if (effect?.kind !== "authenticate") throw new Error("nothing to authenticate");
      const result = E.right({ ...other, expiresAt: 1e12 });
      world.feed({ kind: "authenticated", request: effect.request, result });
      expect(world.answersTo(other.userId)).toMatchObject([{ type: "error", payload: { code: "UNAUTHORIZED" } }]);
    }
    expect(world.state().expiresAt).toBe(2000);
  });

  it("ends with 4400 on a binary frame, after writing the receipts that waited", () => {
    const world = createWorld();
    world.text(receipt("message.read", "a", "d_1", 1));
    world.feed({ kind: "binary" });
    expect(world.effects.slice(-2).map(({ effect }) => effect.kind)).toEqual(["receipts", "close"]);
    const before = world.frames.length;
    world.settleAll();
    world.text(send("b"));
    expect(world.frames).toHaveLength(before);
  });

  it("says connected first, then the sync asked for at the upgrade, then what waited", () => {
    const world = createWorld({ connected: false });
    world.text({ type: "heartbeat", id: "h", payload: {} });
    world.text(send("a"));
    expect(world.effects).toEqual([]);
    world.feed({ kind: "connected", payload: greeting, syncToken: "st", now: 7, at: 7 });
    expect(world.frames.map(({ type }) => type)).toEqual(["connected", "heartbeat.ack"]);
    expect(world.open).toMatchObject([{ kind: "sync", body: { token: "st" } }, { kind: "message" }]);
    world.settleAll();
    expect(world.frames[2]).toEqual(answers.sync);
  });
});

describe("bounds", () => {
  it("refuses what is too much in flight, takes it again when there is room, and counts cursors one by one", () => {
    const world = createWorld();
    for (let n = 0; n < bounds.requestsInFlightMax - 1; n++) world.text(send(undefined));
    const two = [
      { conversationId: "d_1", upToSequence: 1 },
      { conversationId: "d_2", upToSequence: 1 },
    ];
    world.text({ type: "message.read", id: "two", payload: { cursors: two } });
    world.text(send("last"));
    world.text(send("over", "kk"));
    const refused = { code: "UNAVAILABLE", retryAfter: 1 };
    expect(world.answersTo("two")).toMatchObject([{ type: "error", payload: refused }]);
    const ids = { conversationId: "d_1", clientMessageId: "kk" };
    expect(world.answersTo("over")).toMatchObject([{ type: "error", payload: { ...refused, ...ids } }]);
    expect(world.answersTo("last")).toEqual([]);
    world.settleAll();
    world.text(send("again"));
    expect(world.answersTo("again")).toEqual([]);
    expect(world.open).toHaveLength(1);
  });

  it("refuses what waits for connected beyond the bound, each with its answer", () => {
    const world = createWorld({ connected: false });
    for (let n = 0; n < bounds.framesBeforeConnectedMax; n++) world.text(send(`r${n}`));
    world.text(send("over"));
    expect(world.frames).toMatchObject([{ type: "error", id: "over", payload: { code: "UNAVAILABLE" } }]);
    world.feed({ kind: "connected", payload: greeting, now: 0, at: 0 });
    expect(world.open).toHaveLength(bounds.framesBeforeConnectedMax);
  });

  const limited: Failure = { code: "RATE_LIMITED", message: "slower", retryAfter: 2, limit: "messagesPerMinute" };
  const refuse = (world: ReturnType<typeof createWorld>, count: number): void => {
    for (let n = 0; n < count; n++) {
      world.text(send(`r${n}`));
      world.settle(0, limited);
    }
  };

  it("closes a client that goes on sending instead of waiting, after the error that says how long", () => {
    const world = createWorld();
    refuse(world, bounds.refusalsUnheededMax);
    expect(world.closes()).toEqual([]);
    // One that is let in now and then, as the limit grows back, makes it no less.
    world.text(send("in"));
    world.settleAll();
    world.pass(1_999);
    refuse(world, 1);
    expect(world.closes()).toEqual(["flooding"]);
    expect(world.frames.at(-1)).toMatchObject({ type: "error", payload: { code: "RATE_LIMITED", retryAfter: 2 } });
    expect(world.effects.at(-1)?.effect).toEqual({ kind: "close", why: "flooding" });
    world.text(send("after"));
    expect(world.answersTo("after")).toEqual([]);
  });

  it("never closes a client that waits, whatever was on its way before it read the first refusal", () => {
    const world = createWorld();
    for (let round = 0; round < 5; round++) {
      for (let n = 0; n < bounds.refusalsUnheededMax; n++) world.text(send(undefined));
      while (world.open.length > 0) world.settle(0, limited);
      world.pass(2_000);
    }
    expect(world.closes()).toEqual([]);
  });
});
