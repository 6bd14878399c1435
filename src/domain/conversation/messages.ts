import { userIdOf } from "../kernel/by.js";
import type { Indexing } from "../kernel/decider.js";
import type { MessageId } from "../kernel/ids.js";
import type { Revision } from "../kernel/stream.js";
import { amend, knownFrom, noAmendments, type AmendingEvent, type Amendment, type Amendments } from "./amendments.js";
import type { ConversationEvent, MessageSent } from "./conversation.events.js";
import {
  findRecent,
  mayBeOlderThanRecent,
  noRecent,
  remember,
  type RecentMessage,
  type RecentMessages,
} from "./recent.js";

/**
 * What decisions read of a conversation's messages: the newest ones, and what was done to them and to older ones. Beside
 * the state, because to copy a thousand entries for each message would cost more than deciding it.
 */
export type Messages = {
  readonly recent: RecentMessages;
  readonly amendments: Amendments;
  /** What is decided for an append that the log has not accepted yet; undefined where nothing is. */
  readonly decided: Decided | undefined;
};

/** At most what one append holds. Nothing leaves the window for it: that comes with the acceptance. */
type Decided = {
  readonly sent: Map<MessageId, RecentMessage>;
  /** In their order. Made when it is needed: most appends are of messages. */
  amending: Map<MessageId, AmendingEvent[]> | undefined;
};

export const messagesIndex: Indexing<Messages, ConversationEvent> = {
  empty: () => ({ recent: noRecent(), amendments: noAmendments(), decided: undefined }),

  fold: ({ recent, amendments }, event, revision) => {
    if (event.type === "MessageSent") remember(recent, sentMessage(event, revision));
    else if ("messageId" in event) amend(amendments, event, revision, recent);
  },

  over: ({ recent, amendments }) => ({ recent, amendments, decided: { sent: new Map(), amending: undefined } }),

  add: ({ decided }, event, revision) => {
    if (decided === undefined) return;
    if (event.type === "MessageSent") decided.sent.set(event.messageId, sentMessage(event, revision));
    else if ("messageId" in event) {
      const amending = (decided.amending ??= new Map<MessageId, AmendingEvent[]>());
      const before = amending.get(event.messageId);
      if (before === undefined) amending.set(event.messageId, [event]);
      else before.push(event);
    }
  },
};

export const findMessage = ({ recent, decided }: Messages, messageId: MessageId): RecentMessage | undefined =>
  findRecent(recent, messageId) ?? decided?.sent.get(messageId);

/** Whether a message that `findMessage` does not know may exist: it has to be looked up then. */
export const mayBeEvicted = ({ recent }: Messages, messageId: MessageId): boolean =>
  mayBeOlderThanRecent(recent, messageId);

/** From which revision on all that was done to a message is known here: what is looked up for it has to know the rest. */
export const amendmentsKnownFrom = ({ recent, amendments }: Messages, messageId: MessageId): Revision =>
  knownFrom(amendments, recent, messageId);

/** What was done to a message, and what the append that is being decided does to it after that. */
export const amendmentsOf = (
  { amendments, decided }: Messages,
  messageId: MessageId,
): { readonly known: Amendment | undefined; readonly decided: readonly AmendingEvent[] } => ({
  known: amendments.byId.get(messageId),
  decided: decided?.amending?.get(messageId) ?? nothing,
});
const nothing: readonly AmendingEvent[] = [];

/** Of a message's newest edit, where that is known here. */
export const editDigestOf = (messages: Messages, messageId: MessageId): string | undefined => {
  const { known, decided } = amendmentsOf(messages, messageId);
  return decided.findLast((event) => event.type === "MessageEdited")?.digest ?? known?.digest;
};

const sentMessage = ({ messageId, sequence, at, by, contentType }: MessageSent, pos: Revision): RecentMessage => ({
  messageId,
  sequence,
  pos,
  at,
  senderId: userIdOf(by),
  contentType,
});
