import { E } from "../../domain/kernel/fp.js";
import type { Actor, ConversationId } from "../../domain/kernel/ids.js";
import { conversationNotFound, formerMember } from "../../domain/rejections.js";
import type { OpenContent } from "../ports/open-content.js";
import type { MessageRow, SummaryRow } from "../ports/rows.js";
import type { ViewReads } from "../ports/view-store.js";
import { viewOfRow } from "./conversation-view.js";
import { previewOf } from "./preview.js";
import type { Answer, Queries, StateView, Summary } from "./queries.js";
import { unreadOf } from "../frames/unread.js";

export type SummaryDependencies = { readonly reads: ViewReads; readonly open: OpenContent };

/** `GET /conversations/{id}`: for present members. */
export const summaryQuery =
  ({ reads, open }: SummaryDependencies): Queries["summary"] =>
  async (actor, conversationId) => {
    const row = await presentMember(reads, actor, conversationId);
    return E.isLeft(row) ? row : E.right(await toSummary(row.right, open));
  };

/**
 * The actor's row in a conversation: `CONVERSATION_NOT_FOUND` for a user who never was a member, `FORBIDDEN` for a
 * former one (PROTOCOL §2).
 */
export const presentMember = async (
  reads: ViewReads,
  actor: Actor,
  conversationId: ConversationId,
): Answer<SummaryRow> => {
  const [row] = await reads.summaries(actor.userId, [conversationId]);
  if (row === undefined) return E.left(conversationNotFound);
  return row.member.present ? E.right(row) : E.left(formerMember);
};

export const toSummary = async (row: SummaryRow, open: OpenContent): Promise<Summary> => {
  // Together: all keys are asked for at once.
  const [conversation, state] = await Promise.all([viewOfRow(row, open), stateOf(row, open)]);
  return { conversation, state };
};

/** PROTOCOL §6 `state`. Where no other member is left, nothing was delivered to or read by all: no tick without a reader. */
export const stateOf = async (row: SummaryRow, open: OpenContent): Promise<StateView> => ({
  readUpTo: row.member.readUpTo,
  unread: unreadOf(row),
  pinned: row.pinned,
  archived: row.archived,
  mutedUntil: row.mutedUntil,
  deliveredToAll: row.deliveredToAll ?? 0,
  readByAll: row.readByAll ?? 0,
  lastMessage: row.lastMessage === null ? null : await lastMessageOf(row.lastMessage, open),
});

const lastMessageOf = async (message: MessageRow, open: OpenContent): Promise<StateView["lastMessage"]> => {
  const { sequence, messageId, senderId, contentType, at, content } = message;
  const text = content === null ? null : await open(messageId, content, senderId);
  const common = { sequence, messageId, senderId, type: contentType, timestamp: at };
  return text === null
    ? { ...common, preview: "", deleted: true }
    : { ...common, preview: previewOf(contentType, text) };
};
