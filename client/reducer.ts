import {
  bounds,
  emptyConversation,
  withoutPending,
  type ConversationEffect,
  type ConversationInput,
  type ConversationState,
  type Me,
  type PendingMessage,
  type Step,
} from "./conversation.js";
import { applyChange, membershipOf } from "./changes.js";
import { afterRead, conversationAfterSignal } from "./inbox.js";
import { boundMessages, mergeMessages } from "./messages.js";
import {
  isChange,
  type ChangeFrame,
  type InboxState,
  type SignalFrame,
  type Summary,
  type SyncEntry,
} from "./protocol.js";

/**
 * The one reducer: live frames, missed changes, history and own pending messages all come through here. Whatever order,
 * repetition or loss live frames come with, once the gaps are healed the state is that of the ordered stream.
 */
export function step(conversation: ConversationState, input: ConversationInput, me: Me): Step {
  switch (input.kind) {
    case "live":
      return afterLive(conversation, input.frame, me);
    case "entry":
      return afterEntry(conversation, input.entry, me);
    case "summary":
      return afterSummary(conversation, input.summary, me);
    case "info": {
      const { info, membership } = membershipOf(input.info, me);
      const older = conversation.info !== undefined && input.info.pos < conversation.pos;
      return { conversation: older ? conversation : { ...conversation, info, membership }, effects: [] };
    }
    case "left":
      return afterLeft(conversation);
    case "history": {
      const messages = boundMessages(mergeMessages(conversation.messages, input.messages));
      return { conversation: { ...conversation, messages }, effects: [] };
    }
    case "signal":
      return afterSignal(conversation, input.frame, me);
    case "read":
      return { conversation: afterRead(conversation, input.upToSequence, me), effects: [] };
    case "pending":
      return { conversation: withPending(conversation, input.message), effects: [] };
    case "discard": {
      const pending = withoutPending(conversation.pending, input.clientMessageId);
      return { conversation: { ...conversation, pending }, effects: [] };
    }
  }
}

/** At or below `pos` a duplicate, `pos + 1` applies, beyond it waits. */
function afterLive(conversation: ConversationState, frame: ChangeFrame, me: Me): Step {
  const { pos } = frame.payload;
  if (pos <= conversation.pos) return { conversation, effects: [] };
  if (frame.type === "conversation.created" || pos === conversation.pos + 1) {
    const applied = applyChange({ ...conversation, seenUpTo: Math.max(conversation.seenUpTo, pos) }, frame, me);
    return drain({ conversation: applied, effects: [{ kind: "change", frame, live: true }] }, me);
  }
  return { conversation: hold(conversation, frame), effects: [] };
}

function hold(conversation: ConversationState, frame: ChangeFrame): ConversationState {
  const { pos } = frame.payload;
  const seenUpTo = Math.max(conversation.seenUpTo, pos);
  const known = conversation.held.some((held) => held.payload.pos === pos);
  if (known || conversation.held.length >= bounds.heldMax) return { ...conversation, seenUpTo };
  const held = [...conversation.held, frame].sort((one, other) => one.payload.pos - other.payload.pos);
  return { ...conversation, seenUpTo, held };
}

/** Applies what waited for the gap to close; what still has one before it goes on waiting. */
function drain(from: Step, me: Me): Step {
  if (from.conversation.held.length === 0) return from;
  const effects: ConversationEffect[] = [...from.effects];
  let conversation = from.conversation;
  let index = 0;
  for (const frame of conversation.held) {
    if (frame.payload.pos > conversation.pos + 1) break;
    index += 1;
    if (frame.payload.pos <= conversation.pos) continue;
    conversation = applyChange(conversation, frame, me);
    effects.push({ kind: "change", frame, live: true });
  }
  return { conversation: { ...conversation, held: conversation.held.slice(index) }, effects };
}

/** The entry's changes may have holes (what this member may not see, joining again); its `pos` counts. */
function afterEntry(before: ConversationState, entry: SyncEntry, me: Me): Step {
  if (entry.reset) return drain(afterReset(before, entry, me), me);
  const effects: ConversationEffect[] = [];
  let conversation = before;
  for (const frame of entry.changes) {
    // A newer server's change: its `pos` counts, and the entry has that.
    if (!isChange(frame) || frame.payload.pos <= conversation.pos) continue;
    conversation = applyChange(conversation, frame, me);
    effects.push({ kind: "change", frame, live: false });
  }
  // An older answer than what live frames have brought meanwhile says nothing about the inbox; one that was cut
  // short speaks of changes that are not here yet.
  const current = !entry.hasMore && entry.pos >= conversation.pos;
  const pos = Math.max(conversation.pos, entry.pos);
  conversation = { ...conversation, pos, seenUpTo: Math.max(conversation.seenUpTo, pos) };
  if (current) conversation = withState(conversation, entry.state, conversation.inbox.readUpTo, me);
  return drain({ conversation, effects }, me);
}

/** More than the server repeats was missed: only what does not depend on it stays. */
function afterReset(before: ConversationState, entry: SyncEntry, me: Me): Step {
  // A cursor beyond the head was wrong, and with it all that it is known by.
  const wrong = before.pos > entry.pos;
  const held = before.held.filter((frame) => frame.payload.pos > entry.pos);
  const conversation: ConversationState = {
    ...emptyConversation(before.conversationId),
    membership: before.membership,
    info: before.info,
    pending: stillPending(before.pending),
    pos: entry.pos,
    // It may have seen frames that are newer than this answer.
    seenUpTo: wrong ? entry.pos : Math.max(entry.pos, before.seenUpTo),
    held,
  };
  const readUpTo = wrong ? 0 : before.inbox.readUpTo;
  return { conversation: withState(conversation, entry.state, readUpTo, me), effects: [{ kind: "reset" }] };
}

/** A conversation that is new to the account or, joined again, to this device. */
function afterSummary(before: ConversationState, summary: Summary, me: Me): Step {
  const { pos } = summary.conversation;
  if (before.membership === "member" && before.pos >= pos) return { conversation: before, effects: [] };
  const conversation: ConversationState = {
    ...emptyConversation(before.conversationId),
    ...membershipOf(summary.conversation, me),
    pos,
    seenUpTo: Math.max(pos, before.seenUpTo),
    held: before.held,
    pending: stillPending(before.pending),
  };
  const counted = withState(conversation, summary.state, before.inbox.readUpTo, me);
  return drain({ conversation: counted, effects: [{ kind: "discovered" }] }, me);
}

function afterLeft(before: ConversationState): Step {
  const conversation: ConversationState = {
    ...before,
    membership: "left",
    held: [],
    seenUpTo: before.pos, // there is nothing more to come, so there is no gap
    unreadEstimated: false, // nor anything to count
  };
  return { conversation, effects: before.membership === "left" ? [] : [{ kind: "left" }] };
}

function afterSignal(conversation: ConversationState, frame: SignalFrame, me: Me): Step {
  const effects: ConversationEffect[] = [{ kind: "signal", frame }];
  if (frame.type !== "receipt.rollup") {
    return { conversation: conversationAfterSignal(conversation, frame, me), effects };
  }
  const others = conversation.rollups.filter(({ sequence }) => sequence !== frame.payload.sequence);
  const rollups = [...others, frame.payload].sort((one, other) => one.sequence - other.sequence);
  return { conversation: { ...conversation, rollups: rollups.slice(-bounds.rollupsMax) }, effects };
}

/** The server's row, with the own cursor where it has not heard of that yet. */
const withState = (conversation: ConversationState, state: InboxState, readUpTo: number, me: Me): ConversationState =>
  afterRead({ ...conversation, inbox: state, unreadEstimated: false }, readUpTo, me);

function withPending(conversation: ConversationState, message: PendingMessage): ConversationState {
  const { clientMessageId, status } = message;
  // Its frame has been here already, and took it away.
  const shown = status.kind === "accepted" && status.ack.pos <= conversation.pos;
  if (shown) return { ...conversation, pending: withoutPending(conversation.pending, clientMessageId) };
  // Thousands may wait, and each comes here several times: one copy, and a search that ends where it finds.
  const pending = [...conversation.pending];
  const index = pending.findIndex((one) => one.clientMessageId === clientMessageId);
  pending[index === -1 ? pending.length : index] = message;
  return { ...conversation, pending };
}

/** Accepted ones are part of the history that has to be paged now. */
const stillPending = (pending: readonly PendingMessage[]): readonly PendingMessage[] =>
  pending.filter(({ status }) => status.kind !== "accepted");
