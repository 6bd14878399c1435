import { userIdOf } from "../kernel/by.js";
import type { MessageId, UserId } from "../kernel/ids.js";
import { limits } from "../kernel/limits.js";
import { asRevision, laterOf, noRevision, type Revision } from "../kernel/stream.js";
import type { ConversationEvent } from "./conversation.events.js";
import { isRecent, windowStart, type RecentMessages } from "./recent.js";

/** What was done to a message since it was sent, as far as it is remembered. */
export type Amendment = {
  readonly deleted: boolean;
  /** Of the newest edit. */
  readonly digest: string | undefined;
  /** Who by digest: added since the window's start, and there. Changed in place. */
  readonly reactions: Map<string, Set<UserId>>;
  /**
   * Of the newest removal of a reaction; -1 for none. A removal leaves nothing else: a command that needs the message
   * has it looked up where all before the removal is known. So adding and removing for ever takes no room.
   */
  readonly removedPos: Revision;
  /** Of the newest of these changes. */
  readonly pos: Revision;
};

/** Changes to messages, old ones too, since the start of the window of recent ones. Changed in place. */
export type Amendments = {
  /** In the order of their newest changes. */
  readonly byId: Map<MessageId, Amendment>;
  /** Users in all the sets of `reactions`. */
  reactions: number;
  /** Changes of old messages up to here may be forgotten: there were too many. -1: none is. */
  forgottenTo: Revision;
};

export const noAmendments = (): Amendments => ({ byId: new Map(), reactions: 0, forgottenTo: noRevision });

export const amendmentsFrom = (
  entries: readonly (readonly [MessageId, Amendment])[],
  forgottenTo: Revision,
): Amendments => {
  const amendments: Amendments = { ...noAmendments(), forgottenTo };
  for (const [messageId, amendment] of entries) put(amendments, messageId, amendment, 0);
  return amendments;
};

export type AmendingEvent = Extract<
  ConversationEvent,
  { type: "MessageEdited" | "MessageDeleted" | "ReactionAdded" | "ReactionRemoved" }
>;

/** Costs the same however much there is: nothing is copied. */
export const amend = (amendments: Amendments, event: AmendingEvent, pos: Revision, recent: RecentMessages): void => {
  const { messageId } = event;
  const before = amendments.byId.get(messageId);
  const sizeBefore = sizeOf(before);
  const { deleted, digest, reactions, removedPos } = before ?? untouched();
  switch (event.type) {
    case "MessageEdited":
      put(amendments, messageId, { deleted, digest: event.digest, reactions, removedPos, pos }, sizeBefore);
      break;
    case "MessageDeleted":
      put(amendments, messageId, { ...untouched(), deleted: true, pos }, sizeBefore);
      break;
    case "ReactionAdded":
    case "ReactionRemoved": {
      const isAdded = event.type === "ReactionAdded";
      setReaction(reactions, event.digest, userIdOf(event.by), isAdded);
      const newest = isAdded ? removedPos : pos;
      put(amendments, messageId, { deleted, digest, reactions, removedPos: newest, pos }, sizeBefore);
    }
  }
  forget(amendments, recent);
};

/**
 * From which revision on the index knows every change of a message from before its window: what is looked up for it has
 * to know all the others.
 */
export const knownFrom = (amendments: Amendments, recent: RecentMessages, messageId: MessageId): Revision =>
  asRevision(
    Math.max(windowStart(recent), amendments.forgottenTo + 1, (amendments.byId.get(messageId)?.removedPos ?? -1) + 1),
  );

const setReaction = (reactions: Amendment["reactions"], digest: string, userId: UserId, isThere: boolean): void => {
  const users = reactions.get(digest);
  if ((users?.has(userId) === true) === isThere) return;
  if (users === undefined) reactions.set(digest, new Set([userId]));
  else if (isThere) users.add(userId);
  else if (users.size > 1) users.delete(userId);
  else reactions.delete(digest);
};

/** @param sizeBefore reactions of what it takes the place of, before they were changed in place */
const put = (amendments: Amendments, messageId: MessageId, amendment: Amendment, sizeBefore: number): void => {
  // Deleted first: the order is that of the newest changes.
  amendments.byId.delete(messageId);
  amendments.byId.set(messageId, amendment);
  amendments.reactions += sizeOf(amendment) - sizeBefore;
};

/** At most `reactionsPerMessageMax` sets to add up. */
const sizeOf = (amendment: Amendment | undefined): number => {
  let size = 0;
  if (amendment !== undefined) for (const users of amendment.reactions.values()) size += users.size;
  return size;
};

/**
 * A command that needs a message from before the window looks it up in the views, which have what was done to it before
 * the window's start. Of what was done to such messages since, the oldest half goes when there is too much of it.
 */
const forget = (amendments: Amendments, recent: RecentMessages): void => {
  const { byId } = amendments;
  const start = windowStart(recent);
  let excess = byId.size > limits.amendedMessagesMax ? byId.size - limits.amendedMessagesMax / 2 : 0;
  for (const [messageId, amendment] of byId) {
    if (amendment.pos >= start) {
      if (excess <= 0) return;
      if (isRecent(recent, messageId)) continue;
      amendments.forgottenTo = laterOf(amendments.forgottenTo, amendment.pos);
    }
    byId.delete(messageId);
    amendments.reactions -= sizeOf(amendment);
    excess -= 1;
  }
};

const untouched = (): Amendment => ({
  deleted: false,
  digest: undefined,
  reactions: new Map(),
  removedPos: noRevision,
  pos: noRevision,
});

/** How looked-up messages name a reaction. No user id holds a space. */
export const reactionKey = (digest: string, userId: UserId): string => `${digest} ${userId}`;
export const digestOf = (key: string): string => key.slice(0, key.lastIndexOf(" "));
