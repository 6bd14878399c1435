import type { ConversationId, MessageId, Sequence, UserId } from "../../domain/kernel/ids.js";
import { unreadOf } from "../../projections/frames/unread.js";
import type { MembershipStep, MessageRow, SummaryRow } from "../../projections/ports/rows.js";
import type { ViewReads } from "../../projections/ports/view-store.js";
import { visibleIntervals } from "../../projections/views/visibility.js";
import type { Explained } from "./rules.js";

export type ExplainSubject = {
  readonly user: UserId;
  readonly conversation: ConversationId;
  /** Of a receipt and of a delivery. */
  readonly message?: MessageId;
};

/** A value with what it is made of, as views say it: those that are there, and those made of the log, in one form. */
export type ExplainedValue = Readonly<Record<string, unknown>> & {
  /** Messages after this are unread. */
  readonly after?: Sequence;
  readonly lastVisible?: Sequence;
  readonly sequence?: Sequence;
};

/** Undefined where these views know no such member or message. */
export const valueIn = async (
  reads: ViewReads,
  what: Explained,
  { user, conversation, message: messageId }: ExplainSubject,
): Promise<ExplainedValue | undefined> => {
  const [row] = await reads.summaries(user, [conversation]);
  if (row === undefined) return undefined;
  if (what === "unread") return unreadValue(row);
  if (what === "inbox") return inboxValue(row);
  const { message } = messageId === undefined ? { message: null } : await reads.messageById(conversation, messageId);
  if (message === null) return undefined;
  return what === "receipt" ? receiptValue(reads, user, message) : deliveryValue(row, message);
};

const unreadValue = (row: SummaryRow): ExplainedValue => ({
  unread: unreadOf(row),
  lastVisible: row.lastVisible,
  readUpTo: row.member.readUpTo,
  visibleFrom: row.visibleFrom,
  after: Math.max(row.member.readUpTo, row.visibleFrom - 1),
  ownAfter: row.ownAfter,
  deletedAfter: row.deletedAfter,
});

const inboxValue = (row: SummaryRow): ExplainedValue => ({
  listed: row.member.present,
  role: row.member.role,
  pinned: row.pinned,
  archived: row.archived,
  mutedUntil: row.mutedUntil,
  sortAt: row.sortAt,
  newestVisible: row.lastMessage?.sequence ?? null,
  unread: unreadOf(row),
});

const receiptValue = async (reads: ViewReads, user: UserId, message: MessageRow): Promise<ExplainedValue> => {
  const { conversationId, sequence, senderId } = message;
  const [counts] = await reads.receiptCounts(conversationId, [sequence]);
  const own = await receiptOf(reads, message, user);
  return {
    sequence,
    senderId,
    counted: own !== undefined,
    deliveredAt: own?.deliveredAt ?? null,
    readAt: own?.readAt ?? null,
    of: counts?.of ?? 0,
    delivered: counts?.delivered ?? 0,
    read: counts?.read ?? 0,
  };
};

const pageRows = 500;

const receiptOf = async (reads: ViewReads, { conversationId, sequence }: MessageRow, user: UserId) => {
  for (let after: UserId | undefined; ;) {
    const page = { limit: pageRows, ...(after === undefined ? {} : { after }) };
    const rows = await reads.receiptsOf(conversationId, sequence, page);
    const own = rows.find(({ userId }) => userId === user);
    if (own !== undefined || rows.length < pageRows) return own;
    after = rows.at(-1)?.userId;
  }
};

const deliveryValue = ({ steps, member }: SummaryRow, message: MessageRow): ExplainedValue => ({
  sequence: message.sequence,
  senderId: message.senderId,
  mayBeSeen: isInSight(steps, message.sequence),
  deletedAt: message.deletedAt,
  deliveredUpTo: member.deliveredUpTo,
  readUpTo: member.readUpTo,
});

const isInSight = (steps: readonly MembershipStep[], sequence: Sequence): boolean =>
  visibleIntervals(steps).some(({ from, to }) => from <= sequence && sequence <= to);
