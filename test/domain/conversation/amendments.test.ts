import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { weightOfConversation } from "../../../src/commands/weights.js";
import { reactionKey } from "../../../src/domain/conversation/amendments.js";
import { conversation } from "../../../src/domain/conversation/conversation.decide.js";
import type { Conversation, OldMessage } from "../../../src/domain/conversation/conversation.js";
import type { ConversationEvent, MessageSent } from "../../../src/domain/conversation/conversation.events.js";
import { conversationSnapshot } from "../../../src/domain/conversation/conversation.snapshot.js";
import { lookUpsFor } from "../../../src/domain/conversation/message.decide.js";
import { amendmentsKnownFrom, type Messages } from "../../../src/domain/conversation/messages.js";
import { isRecent } from "../../../src/domain/conversation/recent.js";
import { unsealed } from "../../../src/domain/kernel/sealed.js";
import { limits } from "../../../src/domain/kernel/limits.js";
import { E } from "../../../src/domain/kernel/fp.js";
import { fold, foldOn, run, sendCommand, startCommand } from "../../kit/conversations.js";
import { contextOf } from "../../kit/given.js";
import { emojiBefore, emojiOf, reactionWith } from "../../kit/reactions.js";
import { seed, withSeed } from "../../kit/seed.js";
import { asRevision } from "../../../src/domain/kernel/stream.js";

const by = { kind: "user" as const, userId: "alice", deviceId: "phone" };
const stamp = { id: "event", at: 1_000, by };
const start = run([{ ...startCommand(["alice", "bob"], {}), context: contextOf("alice") }]).events;

const sent = (sequence: number): MessageSent => {
  const message = { ...sendCommand("alice", `m${sequence}`), type: "MessageSent" as const };
  return { ...stamp, ...message, sequence };
};
const reacted = (
  type: "ReactionAdded" | "ReactionRemoved",
  sequence: number,
  reaction: ReturnType<typeof emojiOf>,
): ConversationEvent => ({ ...{ type, ...stamp, ...reaction, sequence }, messageId: sent(sequence).messageId });

/** So many messages that the first `old` are before the window. */
const history = (old: number): readonly ConversationEvent[] => [
  ...start,
  ...Array.from({ length: limits.recentMessagesMax + old }, (_, index) => sent(index + 1)),
];

describe(`what is done to messages (seed ${seed})`, () => {
  it.each([
    ["recent", 6],
    ["old", 1],
  ])("leaves nothing behind when reactions of a %s message come and go", (_, sequence) => {
    let folded = fold(history(5));
    const toggle = (at: number): void => {
      for (const type of ["ReactionAdded", "ReactionRemoved"] as const)
        folded = foldOn(folded, folded.state.revision + 1, [reacted(type, sequence, emojiOf(`e${at}`))]);
    };
    toggle(0);
    const { amendments } = folded.index;
    const weight = weightOfConversation(folded);
    for (let index = 1; index < 10_000; index += 1) toggle(index);
    expect([amendments.byId.size, amendments.reactions]).toEqual([1, 0]);
    expect([...amendments.byId.values()].map(({ reactions }) => reactions.size)).toEqual([0]);
    expect(weightOfConversation(folded)).toBe(weight);
    const stored = conversationSnapshot.chunksOf(folded).find(({ name }) => name === "amendments/0");
    expect(stored?.data().length).toBeLessThan(200);
  });

  it("is known of so many old messages, and of every recent one", () => {
    const old = 3 * limits.amendedMessagesMax;
    let folded = fold(history(old));
    const { amendments, recent } = folded.index;
    const react = (sequence: number): void => {
      folded = foldOn(folded, folded.state.revision + 1, [reacted("ReactionAdded", sequence, emojiOf("👍"))]);
    };
    for (let sequence = old + 1; sequence <= old + limits.recentMessagesMax; sequence += 1) react(sequence);
    for (let sequence = 1; sequence <= old; sequence += 1) {
      react(sequence);
      expect(amendments.byId.size).toBeLessThanOrEqual(limits.amendedMessagesMax);
    }
    expect([...amendments.byId.keys()].filter((id) => isRecent(recent, id))).toHaveLength(limits.recentMessagesMax);
    expect(amendments.reactions).toBe(amendments.byId.size);
    // What is looked up has to know what was forgotten here, and no more than that.
    const { revision } = folded.state;
    const from = amendmentsKnownFrom(folded.index, sent(1).messageId);
    expect(revision - from).toBeGreaterThan(1_000);
    const changedAt = revision - old;
    for (let sequence = 1; sequence <= old; sequence += 1)
      if (!amendments.byId.has(sent(sequence).messageId)) expect(changedAt + sequence).toBeLessThan(from);
  });

  it("is decided on rightly, whatever what was looked up knows beyond what it has to, and in whatever form it was written", () => {
    fc.assert(
      fc.property(steps, fc.nat(60), fc.nat(40), (all, cut, back) => {
        const events = all.reduce(next, history(3));
        const length = events.length - (cut % (all.length + 1));
        const { state, index } = fold(events.slice(0, length));
        expectRight(state, index, events.slice(0, length), back);
        // And again where an append with the rest was decided over it, and dropped; and with that in place.
        const over = conversation.index.over(index);
        const rest = events.slice(length);
        rest.forEach((event, offset) => {
          conversation.index.add(over, event, asRevision(length + offset));
        });
        expectRight(state, index, events.slice(0, length), back);
        const inWindow = (sequence: number): boolean => isRecent(index.recent, sent(sequence).messageId);
        expectRight(rest.reduce(conversation.evolve, state), over, events, back, sequences.filter(inWindow));
      }),
      withSeed({ numRuns: 100 }),
    );
  });
});

const emojis = ["👍", "🎉"];
/** Old ones, recent ones that soon are old, and one that stays recent. */
const sequences = [1, 2, 4, 5, 6, limits.recentMessagesMax];
const step = fc.oneof(
  { weight: 1, arbitrary: fc.constant("send" as const) },
  {
    weight: 4,
    arbitrary: fc.record({
      sequence: fc.constantFrom(...sequences),
      emoji: fc.constantFrom(...emojis),
      isBefore: fc.boolean(),
    }),
  },
);
const steps = fc.array(step, { minLength: 20, maxLength: 60 });
/** `isBefore`: as the version before wrote it. */
type Step = "send" | { readonly sequence: number; readonly emoji: string; readonly isBefore: boolean };

/** A message more, or a reaction that comes or goes. */
const next = (events: readonly ConversationEvent[], wanted: Step): readonly ConversationEvent[] => {
  if (wanted === "send") return [...events, sent(events.filter(({ type }) => type === "MessageSent").length + 1)];
  const { sequence, emoji, isBefore } = wanted;
  const there = reactionsTo(events, sequence).get(emoji);
  const type = there === undefined ? "ReactionAdded" : "ReactionRemoved";
  return [...events, reacted(type, sequence, there ?? (isBefore ? emojiBefore(emoji) : emojiOf(emoji)))];
};

/** The slow and obvious way: by emoji, as it was written. */
const reactionsTo = (
  events: readonly ConversationEvent[],
  sequence: number,
): ReadonlyMap<string, ReturnType<typeof emojiOf>> => {
  const there = new Map<string, ReturnType<typeof emojiOf>>();
  for (const event of events) {
    if (event.type === "ReactionAdded" && event.sequence === sequence)
      there.set(event.emoji.data, { emoji: unsealed(event.emoji.data), digest: event.digest });
    if (event.type === "ReactionRemoved" && event.sequence === sequence) there.delete(event.emoji.data);
  }
  return there;
};

const expectRight = (
  state: Conversation,
  index: Messages,
  events: readonly ConversationEvent[],
  back: number,
  of: readonly number[] = sequences,
): void => {
  for (const sequence of of) {
    const { messageId } = sent(sequence);
    const react = { type: "AddReaction" as const, messageId, ...reactionWith(""), context: contextOf("alice") };
    const from = amendmentsKnownFrom(index, messageId);
    const found = lookUpsFor(index, react).map((id): [string, OldMessage] => [
      id,
      // As far as it has to know at least, and most often just about there.
      lookedUp(events.slice(0, Math.max(from, events.length - back)), sequence),
    ]);
    for (const emoji of emojis) {
      const decided = (["AddReaction", "RemoveReaction"] as const).map((type) => {
        const command = { ...react, type, ...reactionWith(emoji), found: new Map(found) };
        const decision = conversation.decide(state, command, index);
        return E.isRight(decision) ? decision.right.length : decision.left.code;
      });
      expect({ sequence, emoji, decided }).toEqual({
        ...{ sequence, emoji },
        decided: reactionsTo(events, sequence).has(emoji) ? [0, 1] : [1, 0],
      });
    }
  }
};

const lookedUp = (events: readonly ConversationEvent[], sequence: number): OldMessage => {
  const pos = start.length + sequence - 1;
  const { messageId, contentType, at } = sent(sequence);
  const there = [...reactionsTo(events, sequence).values()];
  const reactions = there.map(({ digest }) => reactionKey(digest, by.userId));
  return { messageId, sequence, pos: asRevision(pos), at, senderId: by.userId, contentType, deleted: false, reactions };
};
