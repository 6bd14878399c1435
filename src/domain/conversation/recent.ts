import { limits } from "../kernel/limits.js";
import type { MessageId, Sequence, UserId } from "../kernel/ids.js";
import { firstRevision, type Revision } from "../kernel/stream.js";
import type { ContentType } from "./conversation.events.js";
import { addEvicted, mayBeEvicted, noEvictedIds, type EvictedIds } from "./evicted-ids.js";

/** What a conversation remembers of one of its newest messages: the answer to a retry. */
export type RecentMessage = {
  readonly messageId: MessageId;
  readonly sequence: Sequence;
  readonly pos: Revision;
  readonly at: number;
  readonly senderId: UserId;
  readonly contentType: ContentType;
};

/** The newest messages by id, oldest evicted first. Changed in place. */
export type RecentMessages = {
  readonly byId: Map<MessageId, RecentMessage>;
  /** Ascending pos; those before `first` are evicted. */
  order: RecentMessage[];
  first: number;
  /** Ids of the evicted ones. */
  readonly evicted: EvictedIds;
};

export const noRecent = (): RecentMessages => ({ byId: new Map(), order: [], first: 0, evicted: noEvictedIds() });

/** The window, oldest first: a copy, which later events leave alone. */
export const recentMessages = ({ order, first }: RecentMessages): readonly RecentMessage[] => order.slice(first);

/** @param messages ascending */
export const recentFrom = (messages: readonly RecentMessage[], evicted: EvictedIds): RecentMessages => ({
  byId: new Map(messages.map((message) => [message.messageId, message])),
  order: [...messages],
  first: 0,
  evicted,
});

export const remember = (recent: RecentMessages, message: RecentMessage): void => {
  recent.byId.set(message.messageId, message);
  recent.order.push(message);
  if (recent.byId.size > limits.recentMessagesMax) evictOldest(recent);
};

const evictOldest = (recent: RecentMessages): void => {
  const oldest = recent.order[recent.first];
  if (oldest === undefined) return;
  recent.byId.delete(oldest.messageId);
  addEvicted(recent.evicted, oldest.messageId);
  recent.first += 1;
  if (recent.first >= limits.recentMessagesMax) {
    recent.order = recent.order.slice(recent.first);
    recent.first = 0;
  }
};

/** Whether the message may exist although it is not among the recent ones. */
export const mayBeOlderThanRecent = (recent: RecentMessages, messageId: MessageId): boolean =>
  mayBeEvicted(recent.evicted, messageId);

/** Where the window starts: every change from this revision on is in the index; 0 while nothing was evicted. */
export const windowStart = ({ order, first, evicted }: RecentMessages): Revision =>
  evicted.blocks.length === 0 ? firstRevision : (order[first]?.pos ?? firstRevision);

export const findRecent = (recent: RecentMessages, messageId: MessageId): RecentMessage | undefined =>
  recent.byId.get(messageId);
