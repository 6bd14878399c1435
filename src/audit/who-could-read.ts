import { decodeConversationEvent } from "../domain/catalogue.js";
import type { ConversationEvent } from "../domain/conversation/conversation.events.js";
import { userIdOf } from "../domain/kernel/by.js";
import type { ConversationId, MessageId, Sequence, UserId } from "../domain/kernel/ids.js";
import { streamId, type RecordedEvent } from "../domain/kernel/stream.js";
import type { MembershipStep } from "../projections/ports/rows.js";
import { project } from "../projections/registry.js";
import { visibleIntervals } from "../projections/views/visibility.js";

/** An event, as a reader of the log finds it again. `at`: epoch milliseconds. */
export type Place = Pick<RecordedEvent, "position" | "stream" | "revision"> & { readonly at: number };

export type ReadMessage = {
  readonly conversationId: ConversationId;
  readonly messageId: MessageId;
  readonly sequence: Sequence;
  readonly senderId: UserId;
  readonly sent: Place;
  readonly edits: number;
  readonly deleted?: Place;
  /** Its author's erasure: nobody reads it since then, not even where its text stands in the log. */
  readonly erased?: Place;
  /** The keys of its texts, each once; none where sealing was off. Whether they are there is no matter of the log. */
  readonly keyIds: readonly string[];
};

/** A stretch of the log in which somebody could read the message. Without `until` it lasts. */
export type ReadableInterval = {
  readonly from: Place;
  readonly because: "a member when it was sent" | "joined with it in sight";
  /** The deletion, or the erasure that `ended` names: leaving ends nothing that was in sight. */
  readonly until?: Place;
  readonly ended?: "author erased" | "reader erased";
  /** When they left, if they did: what they read since then is the message as it was then, until it is deleted. */
  readonly asLeft?: Place;
};

export type Reader = {
  readonly userId: UserId;
  readonly memberships: readonly (MembershipStep & Pick<Place, "position">)[];
  readonly intervals: readonly ReadableInterval[];
  /** Why there is no interval. */
  readonly never?: NeverBecause;
};
export type NeverBecause =
  | "left before it was sent, and did not come back with it in sight"
  | "joined after it was sent, with the history since joining only"
  | "joined after it was deleted"
  | "joined after its author was erased";

export type Readership = { readonly message: ReadMessage; readonly readers: readonly Reader[] };

type Following = {
  readonly steps: (MembershipStep & Pick<Place, "position">)[];
  readonly intervals: { from: Place; because: ReadableInterval["because"]; until?: Place; asLeft?: Place }[];
};

/**
 * Who could read a message, from its conversation's stream alone (`endedByErasures` looks at people's): every user who was a member by the end of the pages, with
 * the stretches of the log in which history answered them the message's text. Memory grows with the members, not with the
 * messages. Undefined when the message was not sent by then.
 */
export const whoCouldRead = async (
  pages: AsyncIterable<readonly RecordedEvent[]>,
  messageId: MessageId,
): Promise<Readership | undefined> => {
  const users = new Map<UserId, Following>();
  const keyIds = new Set<string>();
  let message: ReadMessage | undefined;
  for await (const page of pages)
    for (const recorded of page) {
      const event = decodeConversationEvent(recorded);
      const place: Place = {
        position: recorded.position,
        stream: recorded.stream,
        revision: recorded.revision,
        at: event.at,
      };
      takeSteps(users, event, recorded);
      if ("messageId" in event && event.messageId === messageId) {
        message = messageAfter(message, event, place, keyIds);
        for (const each of users.values()) follow(each, message, event, place);
      } else if (message !== undefined) {
        for (const userId of moved(event)) {
          const each = users.get(userId);
          if (each !== undefined) follow(each, message, event, place);
        }
      }
    }
  const found = message;
  if (found === undefined) return undefined;
  const readers = [...users].map(([userId, each]) => readerOf(userId, each, found));
  return { message: found, readers: readers.toSorted((a, b) => (a.userId < b.userId ? -1 : 1)) };
};

/** As the memberships view has them: the views and this can't say different things. */
const takeSteps = (users: Map<UserId, Following>, event: ConversationEvent, recorded: RecordedEvent): void => {
  for (const change of project(event, recorded)) {
    if (change.view !== "memberships" || change.kind !== "insert") continue;
    const { joined, sequence, at } = change.facts;
    const userId = String(change.key[1]);
    const { steps, intervals } = users.get(userId) ?? { steps: [], intervals: [] };
    const { revision: pos, position } = recorded;
    steps.push({ pos, joined: joined === true, sequence: Number(sequence), at: Number(at), position });
    users.set(userId, { steps, intervals });
  }
};

const moved = (event: ConversationEvent): readonly UserId[] =>
  event.type === "MemberJoined"
    ? event.members.map(({ userId }) => userId)
    : event.type === "MemberLeft"
      ? [event.userId]
      : [];

const messageAfter = (
  before: ReadMessage | undefined,
  event: Extract<ConversationEvent, { readonly messageId: MessageId }>,
  place: Place,
  keyIds: Set<string>,
): ReadMessage | undefined => {
  if (event.type === "MessageSent" || event.type === "MessageEdited")
    if (event.content.alg !== "none") keyIds.add(event.content.keyId);
  const keys = { keyIds: [...keyIds] };
  switch (event.type) {
    case "MessageSent":
      return {
        conversationId: streamId(place.stream),
        messageId: event.messageId,
        sequence: event.sequence,
        senderId: userIdOf(event.by),
        sent: place,
        edits: 0,
        ...keys,
      };
    case "MessageEdited":
      return before && { ...before, edits: before.edits + 1, ...keys };
    case "MessageDeleted":
      return before && { ...before, deleted: place };
    case "ReactionAdded":
    case "ReactionRemoved":
      return before;
  }
};

/** After each event that may begin or end what one user can read. */
const follow = (
  { steps, intervals }: Following,
  message: ReadMessage | undefined,
  event: ConversationEvent,
  place: Place,
): void => {
  if (message === undefined) return;
  const { sequence, deleted } = message;
  const inSight = visibleIntervals(steps).some(({ from, to }) => from <= sequence && sequence <= to);
  const last = intervals.at(-1);
  const reads = last !== undefined && last.until === undefined;
  const readable = inSight && deleted === undefined;
  if (readable && !reads)
    intervals.push({
      from: place,
      because: event.type === "MessageSent" ? "a member when it was sent" : "joined with it in sight",
    });
  if (!readable && reads) last.until = place;
  if (readable && reads) {
    if (event.type === "MemberLeft") last.asLeft = place;
    if (event.type === "MemberJoined") delete last.asLeft;
  }
};

const readerOf = (userId: UserId, { steps, intervals }: Following, message: ReadMessage): Reader => {
  if (intervals.length > 0) return { userId, memberships: steps, intervals };
  return { userId, memberships: steps, intervals, never: whyNever(steps, message) };
};

const whyNever = (steps: Following["steps"], { sequence, deleted, sent }: ReadMessage): NeverBecause => {
  const after = steps.filter(({ joined, position }) => joined && position > sent.position);
  const [first] = after;
  if (first === undefined) return "left before it was sent, and did not come back with it in sight";
  const inSight = after.some(({ sequence: from }) => from <= sequence);
  return inSight && deleted !== undefined
    ? "joined after it was deleted"
    : "joined after it was sent, with the history since joining only";
};
