import { decodeConversationEvent } from "../../domain/catalogue.js";
import type { ConversationEvent } from "../../domain/conversation/conversation.events.js";
import { userIdOf } from "../../domain/kernel/by.js";
import type { ConversationId, Sequence } from "../../domain/kernel/ids.js";
import type { Sealed } from "../../domain/kernel/sealed.js";
import { asRevision, streamOf, type Revision } from "../../domain/kernel/stream.js";
import { streamEvents } from "../../domain/kernel/stream-pages.js";
import type { EventSource } from "../ports/event-source.js";
import { reactionUserIdsMax, type MembershipStep, type MessageRow, type ReactionRow } from "../ports/rows.js";

type Source = Pick<EventSource, "readStream">;

const pageEvents = 1_000;
/** Events before the leaving that are read again for a page: what sync goes back as well. */
const eventsBackMax = 5_000;

/**
 * A former member reads what was visible while a member (PROTOCOL §2): edits and reactions of later are not for them,
 * deletions are. The views hold messages as they are now, so those that changed later are folded from the log again.
 * Of a message older than the last 5,000 events before the leaving, a later edit brings back what was first said, and
 * reactions are left out.
 *
 * @param steps the reader's, by pos
 */
export const asLeft = async (
  source: Source,
  conversationId: ConversationId,
  steps: readonly MembershipStep[],
  rows: readonly MessageRow[],
  eventsMax = eventsBackMax,
): Promise<readonly MessageRow[]> => {
  const left = steps.at(-1);
  if (left === undefined || left.joined) return rows;
  const changed = rows.filter(({ updatedPos, content }) => updatedPos > left.pos && content !== null);
  if (changed.length === 0) return rows;
  const from = asRevision(Math.max(Math.min(...changed.map(({ pos }) => pos)), left.pos - eventsMax));
  const thenBySequence = await foldBetween(source, conversationId, from, left.pos);
  const then = async (row: MessageRow): Promise<MessageRow> => {
    const known = thenBySequence.get(row.sequence);
    if (known?.content !== undefined) return { ...row, ...shown(known), content: known.content };
    // It was sent before the events that were read, and not edited within them: nor later, or as it was sent.
    if (row.editedAt === null || row.editedAt < left.at) return { ...row, reactions: [], updatedPos: row.pos };
    return first(source, row);
  };
  return Promise.all(rows.map(async (row) => (changed.includes(row) ? then(row) : row)));
};

/** What is known of one message at a moment. `content` is missing while only reactions were met. */
type Then = {
  content?: Sealed;
  editedAt: number | null;
  updatedPos: Revision;
  /** From its sending on, or only of a part of its life. */
  whole: boolean;
  /** By digest, in the order in which they were first there; users in the order in which they added it last. */
  readonly reactions: Map<string, ReactionRow["users"]>;
};

const foldBetween = async (
  source: Source,
  conversationId: ConversationId,
  from: Revision,
  to: Revision,
): Promise<ReadonlyMap<Sequence, Then>> => {
  const found = new Map<Sequence, Then>();
  for await (const each of streamEvents(source, streamOf.conversation(conversationId), { from, to, pageEvents }))
    evolve(found, decodeConversationEvent(each), each.revision);
  return found;
};

const evolve = (found: Map<Sequence, Then>, event: ConversationEvent, pos: Revision): void => {
  if (!("messageId" in event)) return;
  const then: Then = found.get(event.sequence) ?? {
    editedAt: null,
    updatedPos: pos,
    whole: false,
    reactions: new Map(),
  };
  found.set(event.sequence, then);
  then.updatedPos = pos;
  switch (event.type) {
    case "MessageSent":
      then.content = event.content;
      then.whole = true;
      return;
    case "MessageEdited":
      then.content = event.content;
      then.editedAt = event.at;
      return;
    case "ReactionAdded":
    case "ReactionRemoved": {
      const { digest, emoji } = event;
      const userId = userIdOf(event.by);
      const others = (then.reactions.get(digest) ?? []).filter((other) => other.userId !== userId);
      then.reactions.set(digest, event.type === "ReactionAdded" ? [...others, { userId, pos, emoji }] : others);
      return;
    }
    case "MessageDeleted":
      return;
  }
};

const shown = ({
  editedAt,
  updatedPos,
  whole,
  reactions,
}: Then): Pick<MessageRow, "editedAt" | "updatedPos" | "reactions"> => ({
  editedAt,
  updatedPos,
  reactions: whole
    ? [...reactions.values()].flatMap((there) => {
        const users = there.slice(0, reactionUserIdsMax);
        return users.length === 0 ? [] : [{ count: there.length, users }];
      })
    : [],
});

const first = async (source: Source, row: MessageRow): Promise<MessageRow> => {
  const [recorded] = await source.readStream(streamOf.conversation(row.conversationId), row.pos, 1);
  const event = recorded === undefined ? undefined : decodeConversationEvent(recorded);
  if (event?.type !== "MessageSent") throw new Error(`no message at ${row.conversationId}@${row.pos}`);
  return { ...row, content: event.content, editedAt: null, reactions: [], updatedPos: row.pos };
};
