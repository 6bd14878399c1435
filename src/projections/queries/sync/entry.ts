import { decodeConversationEvent } from "../../../domain/catalogue.js";
import type { AmendingEvent } from "../../../domain/conversation/amendments.js";
import type { ConversationEvent, MessageSent } from "../../../domain/conversation/conversation.events.js";
import { userIdOf } from "../../../domain/kernel/by.js";
import type { ConversationId } from "../../../domain/kernel/ids.js";
import {
  asRevision,
  earlierOf,
  firstRevision,
  laterOf,
  revisionAfter,
  streamOf,
  type Position,
  type Revision,
} from "../../../domain/kernel/stream.js";
import { emojiContext, hasContent, isAboutMessage, isReaction } from "../../frames/about-message.js";
import { frameOf, hidden, visible, withEmoji, type Frame, type Shown } from "../../frames/frames.js";
import { openTexts, textsOf } from "../../frames/texts.js";
import type { EventSource } from "../../ports/event-source.js";
import type { OpenContent } from "../../ports/open-content.js";
import type { MembershipStep, MessageRow, SummaryRow } from "../../ports/rows.js";
import type { ViewReads } from "../../ports/view-store.js";
import { visibleIntervals } from "../../views/visibility.js";

export type EntryDependencies = {
  readonly source: EventSource;
  readonly reads: ViewReads;
  readonly open: OpenContent;
};

/** What one entry is about: the changes after `start` and up to `end`, however many of them it will hold. */
export type Span = {
  readonly row: SummaryRow;
  /** What the device has. */
  readonly after: Revision;
  readonly start: Revision;
  /** What the row knows: for a former member the own leaving. */
  readonly end: Revision;
  /** The cursor is beyond the end, or too far behind it. */
  readonly reset: boolean;
};

/** A change's `pos`, with its frame and that one's UTF-8 length as JSON where the reader gets one. */
type Change = { readonly pos: Revision; readonly frame?: Frame; readonly bytes: number };

/** The changes of one conversation for one entry: `pos` is authoritative, whatever holes the changes have. */
export type Changes = {
  readonly changes: readonly Frame[];
  readonly pos: Revision;
  readonly hasMore: boolean;
  readonly reset: boolean;
  /** UTF-8 length of the changes as JSON. */
  readonly bytes: number;
};

/** A device further behind than this pages the history instead. */
const behindMax = 5_000;
const pageSize = 1_000;

/** Where an entry starts: after a `pos` that the client names, or after a log position that its token marks. */
export type From = { readonly pos: Revision } | { readonly position: Position };

export const spanOf = async (deps: EntryDependencies, row: SummaryRow, from: From): Promise<Span> => {
  const end = row.member.present ? row.conversation.headPos : leftPos(row.steps);
  const after =
    "pos" in from ? from.pos : await posAt(deps.source, row.conversation.conversationId, end, from.position);
  const start = laterOf(after, revisionAfter(await firstVisiblePos(deps.reads, row, after), -1));
  return { row, after, start, end, reset: after > end || end - start > behindMax };
};

/** How many changes an entry of at most `limit` reads. */
export const countIn = ({ start, end, reset }: Span, limit: number): number =>
  reset ? 0 : Math.max(0, Math.min(end - start, limit, pageSize));

/** The first `count` changes of the span. */
export const readChanges = async (deps: EntryDependencies, span: Span, count: number): Promise<readonly Change[]> => {
  if (count === 0) return [];
  const { row, start } = span;
  const { conversationId } = row.conversation;
  const recorded = await deps.source.readStream(streamOf.conversation(conversationId), revisionAfter(start), count);
  const events = recorded.map(decodeConversationEvent);
  const [messages, texts] = await Promise.all([shownMessages(deps, row, events), shownTexts(deps, row, events)]);
  return events.map((event, index) => {
    const pos = revisionAfter(start, 1 + index);
    const frame = frameOf(
      conversationId,
      event,
      pos,
      row.member.userId,
      messages.get(event) ?? texts.get(event) ?? hidden,
    );
    return frame === undefined
      ? { pos, bytes: 0 }
      : { pos, frame, bytes: Buffer.byteLength(JSON.stringify(frame)) + 1 };
  });
};

/** As many of them as have room; the first one with a frame always has, so that every answer gets on. */
export const cutChanges = ({ after, start, end, reset }: Span, read: readonly Change[], bytesMax: number): Changes => {
  if (reset) return { changes: [], pos: end, hasMore: false, reset, bytes: 0 };
  const changes: Frame[] = [];
  let bytes = 0;
  let pos = start;
  for (const change of read) {
    if (change.frame !== undefined) {
      if (changes.length > 0 && bytes + change.bytes > bytesMax) break;
      changes.push(change.frame);
      bytes += change.bytes;
    }
    pos = change.pos;
  }
  return { changes, pos: laterOf(pos, after), hasMore: pos < end, reset, bytes };
};

const leftPos = (steps: readonly MembershipStep[]): Revision => steps.at(-1)?.pos ?? firstRevision;

/** The own first joining; earlier where the history before it is visible too. Of no interest before `after + 1`. */
const firstVisiblePos = async (reads: ViewReads, row: SummaryRow, after: Revision): Promise<Revision> => {
  const joins = row.steps.filter((step) => step.joined);
  const joinPos = asRevision(Math.min(...joins.map((step) => step.pos)));
  if (joinPos <= after + 1) return joinPos;
  const firstSequence = Math.min(...joins.map((step) => step.sequence));
  const [first] = await reads.messagesAt(row.conversation.conversationId, [firstSequence]);
  return earlierOf(joinPos, first?.pos ?? joinPos);
};

/**
 * The revision of the stream's last event at or before a log position; -1 when all are later. Reads backwards from
 * the end: a token is young, as a rule; one that is too old for an entry need not be found exactly.
 */
const posAt = async (
  source: EventSource,
  conversationId: ConversationId,
  end: Revision,
  position: Position,
): Promise<Revision> => {
  const stream = streamOf.conversation(conversationId);
  let from = end;
  let size = 64;
  while (from >= 0 && end - from <= behindMax) {
    const page = await source.readStream(stream, from, size, "backwards");
    const found = page.find((recorded) => recorded.position <= position);
    if (found !== undefined) return found.revision;
    if (page.length === 0) break;
    from = revisionAfter(from, -page.length);
    size = Math.min(size * 4, pageSize);
  }
  return from;
};

/** What the conversation is called in the changes that say so to this reader. */
const shownTexts = async (
  { open }: EntryDependencies,
  { conversation, member }: SummaryRow,
  events: readonly ConversationEvent[],
): Promise<ReadonlyMap<ConversationEvent, Shown>> => {
  const shown = new Map<ConversationEvent, Shown>();
  const each = events.map(async (event) => {
    const sealed = textsOf(event);
    if (sealed === undefined) return;
    // That others have joined says nothing of the conversation.
    if (event.type === "MemberJoined" && event.members.every(({ userId }) => userId !== member.userId)) return;
    shown.set(event, { kind: "texts", texts: await openTexts(open, conversation.conversationId, sealed) });
  });
  await Promise.all(each);
  return shown;
};

/**
 * What this reader may see of the messages that the events are about, as they are by now: what was deleted since says
 * so in all its frames, and an edit's text is the edit's own.
 */
const shownMessages = async (
  deps: EntryDependencies,
  row: SummaryRow,
  events: readonly ConversationEvent[],
): Promise<ReadonlyMap<ConversationEvent, Shown>> => {
  const shown = new Map<ConversationEvent, Shown>();
  const intervals = visibleIntervals(row.steps);
  const inSight = events
    .filter(isAboutMessage)
    .filter(({ sequence }) => intervals.some(({ from, to }) => from <= sequence && sequence <= to));
  if (inSight.length === 0) return shown;
  const sequences = [...new Set(inSight.map(({ sequence }) => sequence))];
  const rows = await deps.reads.messagesAt(row.conversation.conversationId, sequences);
  const bySequence = new Map(rows.map((message) => [message.sequence, message]));
  // Together: what has to be opened first asks for all its keys at once.
  const each = inSight.map(async (event) => ({
    event,
    as: await shownOf(deps, row.conversation.conversationId, event, bySequence.get(event.sequence)),
  }));
  for (const { event, as } of await Promise.all(each)) shown.set(event, as);
  return shown;
};

/** The row is written after what it says is there, so a message that the views do not have is none that could be shown. */
const shownOf = async (
  { open }: EntryDependencies,
  conversationId: ConversationId,
  event: MessageSent | AmendingEvent,
  now: MessageRow | undefined,
): Promise<Shown> => {
  if (now === undefined) return hidden;
  const gone: Shown | undefined =
    now.content === null ? { kind: "deleted", deletedAt: now.deletedAt ?? event.at } : undefined;
  if (isReaction(event))
    return withEmoji(gone ?? visible, await open(emojiContext(conversationId, event), event.emoji, userIdOf(event.by)));
  if (gone !== undefined) return gone;
  if (!hasContent(event)) return visible;
  const text = await open(event.messageId, event.content, userIdOf(event.by));
  return text === null ? { kind: "deleted", deletedAt: now.at, erased: true } : { kind: "content", text };
};
