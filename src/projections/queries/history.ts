import { E, type Either } from "../../domain/kernel/fp.js";
import type { ConversationId, UserId } from "../../domain/kernel/ids.js";
import { conversationNotFound, reject, type Rejection } from "../../domain/rejections.js";
import type { EventSource } from "../ports/event-source.js";
import type { OpenContent } from "../ports/open-content.js";
import type { MessageRow } from "../ports/rows.js";
import type { ViewReads } from "../ports/view-store.js";
import { visibleIntervals, type Interval } from "../views/visibility.js";
import { asLeft } from "./as-left.js";
import type { MessageView, Queries } from "./queries.js";
import { reactionsOfPage } from "./reactions.js";

export type HistoryDependencies = {
  readonly source: Pick<EventSource, "readStream">;
  readonly reads: Pick<ViewReads, "membershipSteps" | "messages">;
  readonly open: OpenContent;
};

/** `before` and `after` are exclusive sequences. Without either, the newest page. */
type Page = Parameters<Queries["history"]>[2];

/**
 * `GET /conversations/{id}/messages`: what the actor may see, former members included. `nextCursor` is the `before`
 * (or, paging forwards, the `after`) of the next page.
 */
export const historyQuery =
  ({ source, reads, open }: HistoryDependencies): Queries["history"] =>
  async (actor, conversationId, page) => {
    const range = rangeOf(page);
    if (E.isLeft(range)) return range;
    const steps = await reads.membershipSteps(conversationId, actor.userId);
    if (steps.length === 0) return E.left(conversationNotFound);
    const order = page.after === undefined ? "descending" : "ascending";
    const within = visibleIntervals(steps).flatMap((interval) => intersection(interval, range.right));
    const rows = await readAcross(reads, conversationId, within, { order, limit: page.limit + 1 });
    const shown = await asLeft(source, conversationId, steps, rows.slice(0, page.limit));
    const reactionsOf = reactionsOfPage(open);
    const messages = await Promise.all(shown.map((row) => messageView(row, actor.userId, open, reactionsOf)));
    const hasMore = rows.length > page.limit;
    const last = hasMore ? shown.at(-1) : undefined;
    return E.right({
      messages: order === "ascending" ? messages : messages.reverse(),
      hasMore,
      ...(last === undefined ? {} : { nextCursor: String(last.sequence) }),
    });
  };

const rangeOf = ({ before, after }: Page): Either<Rejection, Interval> =>
  before !== undefined && after !== undefined
    ? E.left(bothWays)
    : E.right({ from: (after ?? 0) + 1, to: (before ?? Infinity) - 1 });

const bothWays = reject("INVALID_MESSAGE", "A page lies before a message or after one, not both.", [
  { field: "after", expected: "absent where before is given" },
]);

const intersection = (a: Interval, b: Interval): readonly Interval[] => {
  const common = { from: Math.max(a.from, b.from), to: Math.min(a.to, b.to) };
  return common.from <= common.to ? [common] : [];
};

/** Reads interval after interval until there is enough; a reader who never left has one. */
const readAcross = async (
  reads: HistoryDependencies["reads"],
  conversationId: ConversationId,
  intervals: readonly Interval[],
  { order, limit }: { order: "ascending" | "descending"; limit: number },
): Promise<readonly MessageRow[]> => {
  const rows: MessageRow[] = [];
  for (const { from, to } of order === "ascending" ? intervals : intervals.toReversed()) {
    if (rows.length >= limit) break;
    const bounded = Math.min(to, Number.MAX_SAFE_INTEGER);
    const range = { from, to: bounded, limit: limit - rows.length, order };
    rows.push(...(await reads.messages(conversationId, range)));
  }
  return rows;
};

/** What was deleted, has expired or whose key is gone stays as a row without content, so that sequences have no gap. */
const messageView = async (
  row: MessageRow,
  viewerId: UserId,
  open: OpenContent,
  reactionsOf: ReturnType<typeof reactionsOfPage>,
): Promise<MessageView> => {
  const [text, reactions] = await Promise.all([
    row.content === null ? null : open(row.messageId, row.content, row.senderId),
    reactionsOf(row),
  ]);
  return {
    messageId: row.messageId,
    conversationId: row.conversationId,
    sequence: row.sequence,
    pos: row.pos,
    senderId: row.senderId,
    ...(row.senderDeviceId === null ? {} : { senderDeviceId: row.senderDeviceId }),
    ...(row.senderId === viewerId ? { clientMessageId: row.clientMessageId } : {}),
    ...(text === null
      ? // A destroyed key has no time of its own; the message's serves: what counts is that it is gone.
        { deletedAt: row.deletedAt ?? row.at, ...(row.content === null ? {} : { erased: true as const }) }
      : { content: JSON.parse(text) as unknown, ...(row.editedAt === null ? {} : { editedAt: row.editedAt }) }),
    timestamp: row.at,
    ...(row.expiresAt === null ? {} : { expiresAt: row.expiresAt }),
    ...(row.replyTo === null ? {} : { replyTo: row.replyTo }),
    ...(text === null ? {} : besideContent(row, reactions)),
    updatedPos: row.updatedPos,
  };
};

/** Says something of what was written, or of who answered it: shown with the content alone. */
const besideContent = ({ mentions, forwarded }: MessageRow, reactions: NonNullable<MessageView["reactions"]>) => ({
  ...(mentions.length === 0 ? {} : { mentions }),
  ...(forwarded ? { forwarded: true as const } : {}),
  ...(reactions.length === 0 ? {} : { reactions }),
});
