import fc from "fast-check";
import { emptyConversation, type ConversationState } from "../../client/conversation.js";
import type { ChangeFrame } from "../../client/protocol.js";
import { step } from "../../client/reducer.js";
import { created, me } from "./scripted-server.js";

export const id = "g_1";
export const apply = (state: ConversationState, frame: ChangeFrame): ConversationState =>
  step(state, { kind: "live", frame }, me).conversation;

const expiry = 6;
export type Choice = { kind: number; target: number; other: boolean };

/** A legal history: `pos` from 1 without holes but for the time between leaving and joining again. */
export function historyOf(choices: readonly Choice[]): ChangeFrame[] {
  const frames: ChangeFrame[] = [created(id, 1)];
  /** Deleted or expired: nothing more is said of them, but that they expire. */
  const gone = new Set<number>();
  let sequence = 0;
  let pos = 1;
  const base = () => ({ conversationId: id, pos, by: "bob", timestamp: pos });
  for (const { kind, target, other } of choices) {
    pos += 1;
    const on = sequence === 0 ? 0 : 1 + (target % sequence);
    const messageId = `m${on}`;
    if (kind === 0 && on > 0 && !gone.has(on)) {
      frames.push({
        type: "message.updated",
        payload: { ...base(), messageId, sequence: on, content: { type: "text", text: `edit ${pos}` }, editedAt: pos },
      });
    } else if (kind === 1 && on > 0 && !gone.has(on)) {
      gone.add(on);
      frames.push({ type: "message.updated", payload: { ...base(), messageId, sequence: on, deletedAt: pos } });
    } else if (kind === 2 && on > 0 && !gone.has(on)) {
      const reaction = { emoji: "x", userId: other ? "bob" : "carol", ...(target % 2 === 0 ? { removed: true } : {}) };
      frames.push({ type: "message.updated", payload: { ...base(), messageId, sequence: on, reaction } });
    } else if (kind === 3) {
      const members = [{ userId: `u${target}`, role: "member" as const }];
      frames.push({ type: "member.joined", payload: { ...base(), members, memberCount: 3 } });
    } else if (kind === 4) {
      frames.push({ type: "member.left", payload: { ...base(), userId: `u${target}`, memberCount: 2 } });
    } else if (kind === 5) {
      frames.push({ type: "conversation.updated", payload: { ...base(), changes: { name: `n${pos}` } } });
    } else if (kind === expiry) {
      for (let expired = 1; expired <= on; expired += 1) gone.add(expired);
      frames.push({ type: "message.expired", payload: { ...base(), upToSequence: on } });
    } else if (kind === 7 && target % 4 === 0) {
      frames.push({ type: "member.left", payload: { ...base(), userId: me.userId, memberCount: 1 } });
      pos += 1 + (target % 7);
      frames.push(created(id, pos, sequence));
    } else {
      sequence += 1;
      const senderId = other ? "bob" : me.userId;
      const content = { type: "text" as const, text: `text ${pos}` };
      const fixed = { messageId: `m${sequence}`, conversationId: id, sequence, senderId, senderDeviceId: "phone" };
      frames.push({ type: "message.new", payload: { ...fixed, pos, timestamp: pos, content } });
    }
  }
  return frames;
}

const kinds = Array.from({ length: 13 }, (_, kind) => kind);

const historiesOf = (chosen: readonly number[]): fc.Arbitrary<ChangeFrame[]> =>
  fc
    .array(
      fc.record({
        kind: fc.constantFrom(...chosen),
        target: fc.integer({ min: 0, max: 30 }),
        other: fc.boolean(),
      }),
      { minLength: 1, maxLength: 40 },
    )
    .map(historyOf);

export const history = historiesOf(kinds);
/** In which no message expires that was deleted before. */
export const historyWithoutExpiry = historiesOf(kinds.filter((kind) => kind !== expiry));

export const inOrder = (frames: readonly ChangeFrame[]): ConversationState =>
  frames.reduce(apply, emptyConversation(id));
