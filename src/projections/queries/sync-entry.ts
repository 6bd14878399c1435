import { decodeConversationEvent } from "../../domain/catalogue.js";
import type { AmendingEvent } from "../../domain/conversation/amendments.js";
import type { ConversationEvent, MessageSent } from "../../domain/conversation/conversation.events.js";
import { streamOf, type Position } from "../../domain/kernel/stream.js";
import { hasContent, isAboutMessage } from "../delivery/deliveries.js";
import { frameOf, hidden, visible, type Frame, type Shown } from "../delivery/frames.js";
import type { EventSource, MembershipStep, MessageRow, OpenContent, SummaryRow, ViewReads } from "../ports.js";
import { visibleIntervals } from "../views/visibility.js";

export type EntryDependencies = {
  readonly source: EventSource;
  readonly reads: ViewReads;
  readonly open: OpenContent;
};

/** The changes of one conversation for one entry: `pos` is authoritative, whatever holes the changes have. */
export type Changes = {
  readonly changes: readonly Frame[];
  readonly pos: number;
  readonly hasMore: boolean;
  readonly reset: boolean;
  /** UTF-8 length of the changes as JSON. */
  readonly bytes: number;
};

export type Budget = { readonly changes: number; readonly bytes: number };

/** A device further behind than this pages the history instead. */
const behindMax = 5_000;
const pageSize = 1_000;

/** Where an entry starts: after a `pos` that the client names, or after a log position that its token marks. */
export type From = { readonly pos: number } | { readonly position: Position };

/**
 * The changes after `from` up to what the row knows: for a former member up to the own leaving. At most `budget`; the
 * first change always fits, so that every answer gets on.
 */
export const changesAfter = async (
  deps: EntryDependencies,
  row: SummaryRow,
  from: From,
  budget: Budget,
): Promise<Changes> => {
  const { conversationId } = row.conversation;
  const end = row.member.present ? row.conversation.headPos : leftPos(row.steps);
  const after = "pos" in from ? from.pos : await posAt(deps.source, conversationId, end, from.position);
  const start = Math.max(after, (await firstVisiblePos(deps.reads, row)) - 1);
  if (after > end || end - start > behindMax) return { changes: [], pos: end, hasMore: false, reset: true, bytes: 0 };
  const count = Math.min(end - start, budget.changes, pageSize);
  const recorded =
    count <= 0 ? [] : await deps.source.readStream(streamOf.conversation(conversationId), start + 1, count);
  const events = recorded.map(decodeConversationEvent);
  const shown = await shownMessages(deps, row, events);
  const changes: Frame[] = [];
  let bytes = 0;
  let pos = start;
  for (const [index, event] of events.entries()) {
    const frame = frameOf(conversationId, event, start + 1 + index, row.member.userId, shown.get(event) ?? hidden);
    if (frame !== undefined) {
      const size = Buffer.byteLength(JSON.stringify(frame)) + 1;
      if (changes.length > 0 && bytes + size > budget.bytes) break;
      changes.push(frame);
      bytes += size;
    }
    pos = start + 1 + index;
  }
  return { changes, pos: Math.max(pos, after), hasMore: pos < end, reset: false, bytes };
};

const leftPos = (steps: readonly MembershipStep[]): number => steps.at(-1)?.pos ?? 0;

/** The own first joining; earlier where the history before it is visible too. */
const firstVisiblePos = async (reads: ViewReads, row: SummaryRow): Promise<number> => {
  const joins = row.steps.filter((step) => step.joined);
  const joinPos = Math.min(...joins.map((step) => step.pos));
  const firstSequence = Math.min(...joins.map((step) => step.sequence));
  const [first] = await reads.messagesAt(row.conversation.conversationId, [firstSequence]);
  return Math.min(joinPos, first?.pos ?? joinPos);
};

/**
 * The revision of the stream's last event at or before a log position; -1 when all are later. Reads backwards from
 * the end: a token is young, as a rule; one that is too old for an entry need not be found exactly.
 */
const posAt = async (source: EventSource, conversationId: string, end: number, position: Position): Promise<number> => {
  const stream = streamOf.conversation(conversationId);
  let from = end;
  let size = 64;
  while (from >= 0 && end - from <= behindMax) {
    const page = await source.readStream(stream, from, size, "backwards");
    const found = page.find((recorded) => recorded.position <= position);
    if (found !== undefined) return found.revision;
    if (page.length === 0) break;
    from -= page.length;
    size = Math.min(size * 4, pageSize);
  }
  return from;
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
  for (const event of inSight) shown.set(event, await shownOf(deps, event, bySequence.get(event.sequence)));
  return shown;
};

/** The views were awaited, so a message that they do not have is none that could be shown. */
const shownOf = async (
  { open }: EntryDependencies,
  event: MessageSent | AmendingEvent,
  now: MessageRow | undefined,
): Promise<Shown> => {
  if (now === undefined) return hidden;
  if (now.content === null) return { kind: "deleted", deletedAt: now.deletedAt ?? event.at };
  if (!hasContent(event)) return visible;
  const text = await open(event.messageId, event.content);
  return text === null ? { kind: "deleted", deletedAt: event.at } : { kind: "content", text };
};
