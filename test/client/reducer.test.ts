import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { emptyConversation, isGapped, type ConversationState } from "../../client/conversation.js";
import type { ChangeFrame, Message, SyncEntry } from "../../client/protocol.js";
import { step } from "../../client/reducer.js";
import { withSeed } from "../kit/seed.js";
import { apply, history, historyOf, id, inOrder } from "./histories.js";
import { me } from "./scripted-server.js";

/** What the server says at this head to someone at `pos`. */
function entryAt(frames: readonly ChangeFrame[], head: number, pos: number, limit: number): SyncEntry {
  const known = frames.slice(0, head);
  const missed = known.filter(({ payload }) => payload.pos > pos);
  const changes = missed.slice(0, limit);
  const hasMore = changes.length < missed.length;
  const end = (hasMore ? changes : known).at(-1)?.payload.pos ?? pos;
  return { conversationId: id, changes, pos: end, hasMore, reset: false, state: inOrder(known).inbox };
}

/** What an application sees; not what is kept for healing. */
const visible = (state: ConversationState) => ({
  ...state,
  held: [],
  seenUpTo: 0,
  unreadEstimated: false,
  expiredUpTo: 0,
});

describe("reactions", () => {
  test("what looks the same is one reaction, however each frame spells it", () => {
    const said = historyOf([{ kind: 12, target: 0, other: false }]);
    const reacted = (at: number, reaction: { emoji: string; userId: string; removed?: true }): ChangeFrame => {
      const about = { conversationId: id, messageId: "m1", sequence: 1, pos: at, timestamp: at, by: reaction.userId };
      return { type: "message.updated", payload: { ...about, reaction } };
    };
    const at = (said.at(-1)?.payload.pos ?? 0) + 1;
    const both = [
      ...said,
      reacted(at, { emoji: "❤\ufe0f", userId: "bob" }),
      reacted(at + 1, { emoji: "❤", userId: "carol" }),
    ];
    expect(inOrder(both).messages[0]?.reactions).toEqual([{ emoji: "❤\ufe0f", count: 2, userIds: ["bob", "carol"] }]);
    const back = reacted(at + 2, { emoji: "❤", userId: "bob", removed: true });
    expect(inOrder([...both, back]).messages[0]?.reactions).toEqual([
      { emoji: "❤\ufe0f", count: 1, userIds: ["carol"] },
    ]);
  });
});

describe("the reducer", () => {
  test("any loss, repetition and order of live frames, healed by sync, ends as the ordered stream does", () => {
    const actions = fc.array(
      fc.oneof(
        { weight: 6, arbitrary: fc.record({ live: fc.nat() }) },
        {
          weight: 1,
          arbitrary: fc.record({ asked: fc.nat(), head: fc.nat(), limit: fc.integer({ min: 1, max: 10 }) }),
        },
      ),
      { maxLength: 80 },
    );
    fc.assert(
      fc.property(history, actions, fc.integer({ min: 1, max: 10 }), (frames, happenings, limit) => {
        let state = emptyConversation(id);
        const cursors = [-1];
        for (const happening of happenings) {
          if ("live" in happening) {
            state = frames
              .slice(happening.live % frames.length)
              .slice(0, 1)
              .reduce(apply, state);
          } else {
            // The answer may be to a cursor of long ago, and older than what live frames have brought since.
            const asked = cursors[happening.asked % cursors.length] ?? -1;
            const head = 1 + (happening.head % frames.length);
            const entry = entryAt(frames, head, asked, happening.limit);
            state = step(state, { kind: "entry", entry }, me).conversation;
          }
          expect(state.pos).toBeGreaterThanOrEqual(cursors.at(-1) ?? -1);
          expect(state.held.every(({ payload }) => payload.pos > state.pos)).toBe(true);
          cursors.push(state.pos);
        }
        for (let more = true; more;) {
          const entry = entryAt(frames, frames.length, state.pos, limit);
          state = step(state, { kind: "entry", entry }, me).conversation;
          more = entry.hasMore;
        }
        expect(isGapped(state)).toBe(false);
        expect(visible(state)).toEqual(visible(inOrder(frames)));
      }),
      withSeed({ numRuns: 2000 }),
    );
  });

  test("a page of history at any time changes nothing that its frames do not say as well", () => {
    fc.assert(
      fc.property(history, fc.nat(), fc.nat(), (frames, when, head) => {
        const at = when % (frames.length + 1);
        // The page is at least as new as the frames that have come.
        const page = inOrder(frames.slice(0, Math.max(at, head % (frames.length + 1)))).messages;
        let state = inOrder(frames.slice(0, at));
        state = step(state, { kind: "history", messages: page }, me).conversation;
        for (const frame of frames.slice(at)) {
          const before = new Map(state.messages.map(({ sequence, updatedPos }) => [sequence, updatedPos]));
          state = apply(state, frame);
          // What the page knew already does not go back to an older text while its frames come in.
          for (const { sequence, updatedPos } of state.messages) {
            expect(updatedPos).toBeGreaterThanOrEqual(before.get(sequence) ?? 0);
          }
        }
        const ordered = inOrder(frames);
        const from = ordered.messages[0]?.sequence ?? Infinity;
        const rows = (messages: readonly Message[]) => messages.filter(({ sequence }) => sequence >= from);
        expect(rows(state.messages)).toEqual(ordered.messages);
      }),
      withSeed({ numRuns: 1000 }),
    );
  });

  test("frames beyond a gap wait, and come in order once it closes", () => {
    const [first, second, third] = historyOf([
      { kind: 12, target: 0, other: true },
      { kind: 12, target: 0, other: true },
    ]) as [ChangeFrame, ChangeFrame, ChangeFrame];
    let state = apply(emptyConversation(id), first);
    state = apply(state, third);
    expect(isGapped(state)).toBe(true);
    expect(state.messages).toEqual([]);
    state = apply(state, second);
    expect(isGapped(state)).toBe(false);
    expect(state.messages.map(({ sequence }) => sequence)).toEqual([1, 2]);
    expect(state.inbox.unread).toBe(2);
  });

  test("a deleted message keeps its row and loses its content, whichever way it comes", () => {
    const frames = historyOf([
      { kind: 12, target: 0, other: true },
      { kind: 1, target: 0, other: true },
    ]);
    const state = inOrder(frames);
    expect(state.messages[0]).not.toHaveProperty("content");
    expect(state.messages[0]?.deletedAt).toBe(3);
    expect(state.inbox.unread).toBe(0);
    expect(state.inbox.lastMessage).toMatchObject({ deleted: true, preview: "" });
  });

  test("a reset drops the messages and takes the head; pending messages stay", () => {
    let state = inOrder(historyOf(Array.from({ length: 5 }, () => ({ kind: 12, target: 0, other: true }))));
    const message = { conversationId: id, clientMessageId: "c", content: { type: "text" as const, text: "t" } };
    state = step(state, { kind: "pending", message: { ...message, status: { kind: "waiting" } } }, me).conversation;
    const entry = { ...entryAt([], 0, 9000, 1), pos: 9000, reset: true };
    const after = step(state, { kind: "entry", entry }, me);
    expect(after.conversation).toMatchObject({ pos: 9000, messages: [] });
    expect(after.conversation.pending).toHaveLength(1);
    expect(after.effects).toEqual([{ kind: "reset" }]);
  });
});
