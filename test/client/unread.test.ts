import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { emptyConversation, type ConversationState } from "../../client/conversation.js";
import type { ChangeFrame, InboxState, SignalFrame, SyncEntry } from "../../client/protocol.js";
import { step } from "../../client/reducer.js";
import { withSeed } from "../kit/seed.js";
import { history, historyWithoutExpiry, id, inOrder } from "./histories.js";
import { created, me } from "./scripted-server.js";

type Read = { readonly frames: readonly ChangeFrame[]; readonly readUpTo: number };

/** By the definition: not the own, not deleted, beyond the cursor, which joining raises. */
function unreadIn({ frames, readUpTo }: Read): number {
  let from = readUpTo;
  const unread = new Set<number>();
  for (const { type, payload } of frames) {
    if (type === "conversation.created") from = Math.max(from, payload.conversation.lastSequence);
    else if (type === "message.new" && payload.senderId !== me.userId) unread.add(payload.sequence);
    else if (type === "message.updated" && payload.deletedAt !== undefined) unread.delete(payload.sequence);
    else if (type === "message.expired")
      for (const sequence of unread) if (sequence <= (payload.upToSequence ?? 0)) unread.delete(sequence);
  }
  return [...unread].filter((sequence) => sequence > from).length;
}

const newMessage = (sequence: number, senderId: string): ChangeFrame => ({
  type: "message.new",
  payload: {
    ...{ conversationId: id, messageId: `m${sequence}`, sequence, pos: sequence + 1, senderId },
    ...{ content: { type: "text", text: `text ${sequence}` }, timestamp: sequence + 1 },
  },
});

const deletion = (sequence: number, pos: number): ChangeFrame => ({
  type: "message.updated",
  payload: { conversationId: id, messageId: `m${sequence}`, sequence, pos, timestamp: pos, by: "bob", deletedAt: pos },
});

const lastIn = (frames: readonly ChangeFrame[]): number => inOrder(frames).info?.lastSequence ?? 0;

/** The views at the last of these frames, which have heard of this cursor. */
const stateAt = (read: Read): InboxState => ({
  ...inOrder(read.frames).inbox,
  readUpTo: read.readUpTo,
  unread: unreadIn(read),
});

/** What a frame says when it is made only now: that the message is deleted, if it is. */
function saidNow(frame: ChangeFrame, frames: readonly ChangeFrame[]): ChangeFrame {
  if (frame.type !== "message.new" && frame.type !== "message.updated") return frame;
  const { sequence, pos } = frame.payload;
  const deletion = frames.find(
    ({ type, payload }) =>
      payload.pos > pos &&
      ((type === "message.updated" && payload.sequence === sequence && payload.deletedAt !== undefined) ||
        (type === "message.expired" && sequence <= (payload.upToSequence ?? 0))),
  );
  if (deletion === undefined) return frame;
  const payload = { ...frame.payload, deletedAt: deletion.payload.timestamp };
  delete payload.content;
  return { ...frame, payload } as ChangeFrame;
}

type Happening =
  | { readonly kind: "live" | "entry" | "history" | "elsewhere"; readonly at: number; readonly now: boolean }
  | { readonly kind: "read"; readonly upTo: number };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("live" as const), at: fc.nat(), now: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("entry" as const, "history" as const, "elsewhere" as const),
      at: fc.nat(),
      now: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("read" as const), upTo: fc.nat() }) },
);

/** A device and the server's idea of its cursor, which follows the device's own. */
type World = { readonly state: ConversationState; readonly known: number };

function happens(frames: readonly ChangeFrame[], world: World, what: Happening): World {
  const { state, known } = world;
  if (what.kind === "read") {
    const upToSequence = what.upTo % (1 + (state.info?.lastSequence ?? 0));
    return { ...world, state: step(state, { kind: "read", upToSequence }, me).conversation };
  }
  const said = (frame: ChangeFrame): ChangeFrame => (what.now ? saidNow(frame, frames) : frame);
  if (what.kind === "live") {
    const frame = frames[what.at % frames.length];
    return frame === undefined
      ? world
      : { ...world, state: step(state, { kind: "live", frame: said(frame) }, me).conversation };
  }
  const until = frames.slice(0, 1 + (what.at % frames.length));
  const pos = until.at(-1)?.payload.pos ?? 0;
  if (what.kind === "history") {
    // As new as the frames that have come, or newer.
    const { messages } = inOrder(frames.filter(({ payload }) => payload.pos <= Math.max(pos, state.pos)));
    return { ...world, state: step(state, { kind: "history", messages }, me).conversation };
  }
  if (what.kind === "elsewhere") {
    const readUpTo = Math.max(known, what.at % (1 + lastIn(until)));
    const { unread } = stateAt({ frames: until, readUpTo });
    const payload = { conversationId: id, readUpTo, unread, pos };
    const frame: SignalFrame = { type: "inbox.update", payload };
    return { state: step(state, { kind: "signal", frame }, me).conversation, known: readUpTo };
  }
  return { state: synced(state, until, said, known), known };
}

/** The answer of views that hold `until`, which may be older than what live frames brought since it was asked for. */
function synced(
  state: ConversationState,
  until: readonly ChangeFrame[],
  said: (frame: ChangeFrame) => ChangeFrame,
  readUpTo: number,
): ConversationState {
  const changes = until.filter(({ payload }) => payload.pos > state.pos).map(said);
  const pos = until.at(-1)?.payload.pos ?? 0;
  const inbox = stateAt({ frames: until, readUpTo });
  const entry: SyncEntry = { conversationId: id, changes, pos, hasMore: false, reset: false, state: inbox };
  return step(state, { kind: "entry", entry }, me).conversation;
}

/** A device that finds the conversation as it is after these frames; one that does not if the user is no member by then. */
function discovered(frames: readonly ChangeFrame[]): ConversationState {
  const { info, membership, pos } = inOrder(frames);
  const empty = emptyConversation(id);
  if (info === undefined || membership !== "member") return empty;
  const summary = { conversation: { ...info, pos }, state: stateAt({ frames, readUpTo: 0 }) };
  return step(empty, { kind: "summary", summary }, me).conversation;
}

describe("unread", () => {
  test("is what its definition says, or known to be an estimate that the server's answer ends", () => {
    fc.assert(
      fc.property(
        history,
        fc.nat(),
        fc.array(happening, { maxLength: 60 }),
        fc.array(fc.boolean()),
        (frames, start, happenings, now) => {
          // Some devices have been there from the start, others find a conversation that was there before them.
          let world: World = { state: discovered(frames.slice(0, start % frames.length)), known: 0 };
          for (const what of happenings) world = happens(frames, world, what);
          let { state } = world;
          frames.forEach((frame, index) => {
            const said = now[index % Math.max(1, now.length)] === true ? saidNow(frame, frames) : frame;
            state = step(state, { kind: "live", frame: said }, me).conversation;
          });
          const { readUpTo } = state.inbox;
          const truth = unreadIn({ frames, readUpTo });
          if (!state.unreadEstimated) expect(state.inbox.unread).toBe(truth);
          const answered = synced(state, frames, (frame) => frame, readUpTo);
          expect([answered.inbox.unread, answered.unreadEstimated]).toEqual([truth, false]);
        },
      ),
      withSeed({ numRuns: 3000 }),
    );
  });

  test("is no estimate on a device that has every message, whatever it reads", () => {
    fc.assert(
      fc.property(historyWithoutExpiry, fc.array(fc.nat(), { minLength: 1 }), (frames, reads) => {
        let state = emptyConversation(id);
        frames.forEach((frame, index) => {
          state = step(state, { kind: "live", frame }, me).conversation;
          const upToSequence = (reads[index % reads.length] ?? 0) % (1 + (state.info?.lastSequence ?? 0));
          state = step(state, { kind: "read", upToSequence }, me).conversation;
          expect(state.unreadEstimated).toBe(false);
        });
        expect(state.inbox.unread).toBe(unreadIn({ frames, readUpTo: state.inbox.readUpTo }));
      }),
      withSeed({ numRuns: 1000 }),
    );
  });

  describe("where the frames do not say enough", () => {
    const said = (senders: readonly string[]) => senders.map((senderId, index) => newMessage(index + 1, senderId));
    const live = (state: ConversationState, ...frames: readonly ChangeFrame[]) =>
      frames.reduce((before, frame) => step(before, { kind: "live", frame }, me).conversation, state);
    const read = (state: ConversationState, upToSequence: number) =>
      step(state, { kind: "read", upToSequence }, me).conversation;
    const count = ({ inbox, unreadEstimated }: ConversationState) => [inbox.unread, unreadEstimated];
    const bobs = [created(id, 1), ...said(["bob", "bob", "bob", "bob"])];

    test("a cursor that the server has not heard of counts in its answers: an entry, a reset, a summary", () => {
      const state = stateAt({ frames: bobs, readUpTo: 0 });
      const entry = { conversationId: id, changes: [], pos: 5, hasMore: false, reset: false, state };
      const mine = read(live(emptyConversation(id), ...bobs), 3);
      expect(count(step(mine, { kind: "entry", entry }, me).conversation)).toEqual([1, false]);
      // The messages went: how many of those beyond the cursor are others' is not known.
      const reset = step(mine, { kind: "entry", entry: { ...entry, reset: true } }, me).conversation;
      expect([reset.inbox.readUpTo, ...count(reset)]).toEqual([3, 1, true]);
      const away = { ...mine, membership: "left" as const };
      const { info } = mine;
      if (info === undefined) throw new Error("unreachable");
      const summary = { conversation: { ...info, pos: 5 }, state };
      const again = step(away, { kind: "summary", summary }, me).conversation;
      expect([again.inbox.readUpTo, ...count(again)]).toEqual([3, 1, true]);
    });

    test("after a reset the newest message is that of the answer, whatever the conversation was before", () => {
      const before = live(emptyConversation(id), ...bobs.slice(0, 2));
      const state = stateAt({ frames: bobs, readUpTo: 0 });
      const entry = { conversationId: id, changes: [], pos: 5, hasMore: false, reset: true, state };
      const reset = step(before, { kind: "entry", entry }, me).conversation;
      expect(count(read(reset, 1))).toEqual([3, true]);
      expect(count(read(reset, 4))).toEqual([0, false]);
    });

    test("messages that history brought ahead of their frames count when those come", () => {
      const later = discovered(bobs.slice(0, 4));
      const { messages } = inOrder(bobs);
      const ahead = step(later, { kind: "history", messages: messages.slice(3) }, me).conversation;
      // One message beyond the cursor is counted and not here, another is here and not counted.
      const between = read(ahead, 2);
      expect(between.unreadEstimated).toBe(true);
      expect(live(between, ...bobs.slice(4)).inbox.unread).toBe(2);
    });

    test("a page of history from before a deletion does not bring the message back", () => {
      const [start, first] = bobs as [ChangeFrame, ChangeFrame];
      const gone = live(emptyConversation(id), start, saidNow(first, [...bobs.slice(0, 2), deletion(1, 9)]));
      const page = step(gone, { kind: "history", messages: inOrder([start, first]).messages }, me).conversation;
      expect(page.messages[0]).toMatchObject({ sequence: 1, deletedAt: 9 });
      expect(page.messages[0]).not.toHaveProperty("content");
    });

    test("an expiry that repeats what has expired needs no answer", () => {
      const expired = (upToSequence: number, pos: number): ChangeFrame => ({
        type: "message.expired",
        payload: { conversationId: id, pos, upToSequence, timestamp: pos },
      });
      expect(count(live(emptyConversation(id), ...bobs, expired(2, 6), expired(3, 7)))).toEqual([1, false]);
      expect(count(live(discovered(bobs), expired(2, 6)))).toEqual([4, true]);
    });
  });
});
