import type { Actor, ConversationId, MessageId } from "../../domain/kernel/ids.js";
import { E, t } from "../../domain/kernel/fp.js";
import { reject, messageNotFound } from "../../domain/rejections.js";
import type { MessageRow, ReceiptRow } from "../ports/rows.js";
import type { ViewReads } from "../ports/view-store.js";
import { visibleIntervals } from "../views/visibility.js";
import { decodeCursor, encodeCursor } from "./cursor.js";
import type { Answer, Queries, ReceiptsPage } from "./queries.js";
import { presentMember } from "./summary.js";

/** Above this size a conversation's receipts are figures only. */
const receiptTimesMembersMax = 1_024;

/**
 * `GET /conversations/{id}/messages/{messageId}/receipts`: for the sender, while a member. `of` and the members are those
 * at sending. A sender who shows no reads sees none.
 */
export const receiptsQuery =
  ({ reads }: { readonly reads: ViewReads }): Queries["receipts"] =>
  async (actor, conversationId, messageId, { limit, cursor }) => {
    const found = await ownMessage(reads, actor, conversationId, messageId);
    if (E.isLeft(found)) return found;
    const after = decodeCursor(t.string, cursor);
    if (E.isLeft(after)) return after;
    const { sequence, withTimes } = found.right;
    const page = { limit: limit + 1, ...(after.right === undefined ? {} : { after: after.right }) };
    const [[counts], rows, user] = await Promise.all([
      reads.receiptCounts(conversationId, [sequence]),
      reads.receiptsOf(conversationId, sequence, page),
      reads.user(actor.userId),
    ]);
    const seesReads = user?.privacy.readReceipts ?? true;
    const { of = 0, delivered = 0, read = 0 } = counts ?? {};
    const shown = rows.slice(0, limit);
    const last = rows.length > limit ? shown.at(-1) : undefined;
    return E.right({
      sequence,
      of,
      delivered,
      read: seesReads ? read : 0,
      members: shown.map((row) => memberOf(row, withTimes, seesReads)),
      ...(last === undefined ? {} : { nextCursor: encodeCursor(last.userId) }),
    });
  };

/** The message, if the actor may see it and has sent it. */
const ownMessage = async (
  reads: ViewReads,
  actor: Actor,
  conversationId: ConversationId,
  messageId: MessageId,
): Answer<Pick<MessageRow, "sequence"> & { readonly withTimes: boolean }> => {
  const member = await presentMember(reads, actor, conversationId);
  if (E.isLeft(member)) return member;
  const { message } = await reads.messageById(conversationId, messageId);
  if (message === null) return E.left(messageNotFound);
  const { sequence, senderId } = message;
  const visible = visibleIntervals(member.right.steps).some(({ from, to }) => from <= sequence && sequence <= to);
  if (!visible) return E.left(messageNotFound);
  if (senderId !== actor.userId) return E.left(notTheSender);
  return E.right({ sequence, withTimes: member.right.conversation.memberCount <= receiptTimesMembersMax });
};

const notTheSender = reject("FORBIDDEN", "Only its sender sees who has received and read a message.");

const memberOf = (row: ReceiptRow, withTimes: boolean, seesReads: boolean): ReceiptsPage["members"][number] => ({
  userId: row.userId,
  ...(withTimes && row.deliveredAt !== null ? { deliveredAt: row.deliveredAt } : {}),
  ...(withTimes && seesReads && row.readAt !== null ? { readAt: row.readAt } : {}),
});
