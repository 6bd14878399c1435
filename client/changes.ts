import { messageAt, withoutPending, type ConversationState, type Me } from "./conversation.js";
import { inboxAfterNew, inboxAfterUpdate, isUncounted } from "./inbox.js";
import { boundMessages, expireMessages, mergeMessages, updateMessage } from "./messages.js";
import type { ChangeFrame, Conversation, Message, Role } from "./protocol.js";

type Payload<Type extends ChangeFrame["type"]> = Extract<ChangeFrame, { type: Type }>["payload"];

/** The state after a change whose turn it is; `pos` becomes the change's. */
export function applyChange(before: ConversationState, frame: ChangeFrame, me: Me): ConversationState {
  const unreadEstimated = before.unreadEstimated || isUncounted(before, frame, me);
  const conversation = { ...before, pos: frame.payload.pos, unreadEstimated };
  switch (frame.type) {
    case "message.new":
      return addMessage(conversation, frame.payload, me);
    case "message.updated":
      return changeMessage(conversation, frame.payload, me);
    case "message.expired":
      return expire(conversation, frame.payload, me);
    case "conversation.created":
      return join(conversation, frame.payload, me);
    case "conversation.updated":
      return withInfo(conversation, frame.payload.changes);
    case "member.joined": {
      const members = new Map(conversation.members);
      for (const { userId, role } of frame.payload.members) members.set(userId, role);
      return { ...withInfo(conversation, { memberCount: frame.payload.memberCount }), members };
    }
    case "member.left":
      return leave(conversation, frame.payload, me);
    case "member.role": {
      const { userId, role } = frame.payload;
      const members = new Map(conversation.members).set(userId, role);
      return { ...withInfo(conversation, userId === me.userId ? { myRole: role } : {}), members };
    }
  }
}

function addMessage(conversation: ConversationState, payload: Payload<"message.new">, me: Me): ConversationState {
  const known = messageAt(conversation, payload.sequence);
  const message: Message = { ...payload, updatedPos: payload.pos };
  const own = payload.senderId === me.userId && payload.senderDeviceId === me.deviceId;
  return {
    ...withInfo(conversation, { lastSequence: Math.max(conversation.info?.lastSequence ?? 0, payload.sequence) }),
    messages: boundMessages(mergeMessages(conversation.messages, [message])),
    // A page of history may have brought the message before its frame: what it says now is what counts.
    inbox: inboxAfterNew(
      conversation.inbox,
      known !== undefined && known.updatedPos > payload.pos ? known : message,
      me,
    ),
    pending: own ? withoutPending(conversation.pending, payload.clientMessageId) : conversation.pending,
  };
}

function changeMessage(
  conversation: ConversationState,
  payload: Payload<"message.updated">,
  me: Me,
): ConversationState {
  const message = messageAt(conversation, payload.sequence);
  // Not in memory: the page of history that brings it contains this change.
  if (message === undefined) return conversation;
  const updated = updateMessage(message, payload);
  return replaceMessages(conversation, [[message, updated]], me);
}

function expire(conversation: ConversationState, payload: Payload<"message.expired">, me: Me): ConversationState {
  const after = expireMessages(conversation.messages, payload);
  const pairs = conversation.messages.map((message, index) => [message, after[index] ?? message] as const);
  const expiredUpTo = Math.max(conversation.expiredUpTo, payload.upToSequence ?? 0);
  return replaceMessages({ ...conversation, expiredUpTo }, pairs, me);
}

function replaceMessages(
  conversation: ConversationState,
  pairs: readonly (readonly [Message, Message])[],
  me: Me,
): ConversationState {
  const changed = pairs.filter(([before, after]) => before !== after);
  if (changed.length === 0) return conversation;
  return {
    ...conversation,
    messages: mergeMessages(
      conversation.messages,
      changed.map(([, after]) => after),
    ),
    inbox: changed.reduce((inbox, [before, after]) => inboxAfterUpdate(inbox, before, after, me), conversation.inbox),
  };
}

/**
 * Joining sets everything. Messages of an earlier membership go, whether this device saw it end or not: they may have
 * changed unseen, and history has them. Those that history brought before this frame stay.
 */
function join(conversation: ConversationState, payload: Payload<"conversation.created">, me: Me): ConversationState {
  const again = conversation.membership !== "unknown";
  const { inbox } = conversation;
  return {
    ...conversation,
    ...membershipOf(payload.conversation, me),
    messages: again ? [] : conversation.messages,
    receipts: new Map(),
    rollups: [],
    inbox: { ...inbox, unread: 0, readUpTo: Math.max(inbox.readUpTo, payload.conversation.lastSequence) },
    unreadEstimated: false,
  };
}

/** What a `conversation` of the server says about the membership; its `pos` is kept elsewhere. */
export function membershipOf(
  conversation: Conversation,
  me: Me,
): Pick<ConversationState, "membership" | "info" | "members"> {
  const info: Omit<Conversation, "pos"> = { ...conversation };
  delete (info as { pos?: number }).pos;
  const members = new Map<string, Role | undefined>([[me.userId, conversation.myRole]]);
  if (conversation.peerId !== undefined) members.set(conversation.peerId, undefined);
  return { membership: "member", info, members };
}

function leave(conversation: ConversationState, payload: Payload<"member.left">, me: Me): ConversationState {
  const members = new Map(conversation.members);
  members.delete(payload.userId);
  const left = { ...withInfo(conversation, { memberCount: payload.memberCount }), members };
  if (payload.userId !== me.userId) return left;
  return { ...left, membership: "left", held: [], seenUpTo: payload.pos, unreadEstimated: false };
}

function withInfo(
  conversation: ConversationState,
  changes: Partial<NonNullable<ConversationState["info"]>>,
): ConversationState {
  return conversation.info === undefined
    ? conversation
    : { ...conversation, info: { ...conversation.info, ...changes } };
}
