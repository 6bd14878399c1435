import { writtenAt } from "../written-at.js";
import { decodeEvent, UnreadableEvent } from "../../domain/catalogue.js";
import type { ConversationId, UserId } from "../../domain/kernel/ids.js";
import { streamOf, type Position, type RecordedEvent, type StreamName } from "../../domain/kernel/stream.js";

/**
 * What of a log is wanted; all must hold, as far as they are given. `user`: their own stream, and whole the conversations
 * that they ever were a member of, with the receipts. Times are those of the events, epoch milliseconds.
 */
export type Selection = {
  readonly stream?: StreamName;
  readonly conversation?: ConversationId;
  readonly user?: UserId;
  readonly type?: string;
  /** Positions, both inclusive. */
  readonly from?: Position;
  readonly to?: Position;
  /** Inclusive. */
  readonly since?: number;
  /** Exclusive, so that days and months tile. */
  readonly until?: number;
};

/** Whether every stream in it is there from its first event on without a gap. */
export const hasWholeStreams = ({ type, from, to, since, until }: Selection): boolean =>
  [type, from, to, since, until].every((part) => part === undefined);

/** The streams that a selection names by itself; undefined where the log has to be looked through. */
export const streamsNamedBy = ({ stream, conversation }: Selection): readonly StreamName[] | undefined => {
  const named = [
    ...(stream === undefined ? [] : [[stream]]),
    ...(conversation === undefined ? [] : [streamsOfConversation(conversation)]),
  ];
  const [first, ...others] = named;
  return first?.filter((name) => others.every((names) => names.includes(name)));
};

export const streamsOfConversation = (conversationId: ConversationId): readonly StreamName[] => [
  streamOf.conversation(conversationId),
  streamOf.receipts(conversationId),
];

/** The conversation that this event makes the user a member of, if it does. */
export const joinedBy = (event: RecordedEvent, user: UserId): ConversationId | undefined => {
  if (event.type !== "MemberJoined" || !event.data.includes(JSON.stringify(user))) return undefined;
  try {
    const decoded = decodeEvent(event);
    const isMember = decoded.type === "MemberJoined" && decoded.members.some(({ userId }) => userId === user);
    return isMember ? event.stream.slice("conversation-".length) : undefined;
  } catch (error) {
    if (error instanceof UnreadableEvent) return undefined;
    throw error;
  }
};

/** Of the events of the streams that are wanted. The range of positions is the reader's. */
export const passes = ({ type, since, until }: Selection, event: RecordedEvent): boolean => {
  if (type !== undefined && event.type !== type) return false;
  if (since === undefined && until === undefined) return true;
  const at = writtenAt(event);
  return at !== undefined && at >= (since ?? -Infinity) && at < (until ?? Infinity);
};
