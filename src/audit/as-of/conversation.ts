import { decodeConversationEvent } from "../../domain/catalogue.js";
import { userIdOf, type By } from "../../domain/kernel/by.js";
import type { ConversationId, UserId } from "../../domain/kernel/ids.js";
import { sealedAs } from "../../domain/kernel/sealed.js";
import type { RecordedEvent } from "../../domain/kernel/stream.js";
import type { OpenContent } from "../../projections/ports/open-content.js";
import type { ConversationRow, MemberRow, MessageRow, ReceiptCounts } from "../../projections/ports/rows.js";
import type { ViewReads } from "../../projections/ports/view-store.js";
import { textThen, type TextThen } from "./texts.js";

export type ConversationThen = Omit<ConversationRow, "name" | "description"> & {
  readonly name: TextThen | null;
  readonly description: TextThen | null;
};
export type MessageThen = Omit<MessageRow, "conversationId" | "content" | "editDigest" | "reactions"> & {
  /** Null when it was deleted by then. */
  readonly content: TextThen | null;
  readonly reactions: readonly {
    readonly count: number;
    readonly users: readonly { readonly userId: UserId; readonly emoji: TextThen }[];
  }[];
  /** Of the members when it was sent, less the sender: how many had received and (visibly) read it by then. */
  readonly receipts: Pick<ReceiptCounts, "of" | "delivered" | "read">;
};
/** One of the texts that an edited or deleted message had, or its end. */
export type MessageVersion = Pick<RecordedEvent, "position" | "revision"> &
  Pick<MessageRow, "sequence" | "messageId" | "at"> & {
    readonly change: "sent" | "edited" | "deleted";
    readonly by: By;
    readonly content: TextThen | null;
  };

/** What a conversation was, line by line: itself, its members, its messages, and every version of those that changed. */
export type ConversationLine =
  | { readonly conversation: ConversationThen }
  | { readonly member: MemberRow }
  | { readonly message: MessageThen }
  | { readonly version: MessageVersion };

export type AsOfConversation = {
  /** Views as of the moment, of which the conversation's rows are whole. */
  readonly reads: ViewReads;
  /** Its stream's events up to the moment. */
  readonly pages: () => AsyncIterable<readonly RecordedEvent[]>;
  /** Left out: texts stay sealed. */
  readonly open?: OpenContent;
};

const pageRows = 500;

/** Nothing for a conversation that had not started. */
export async function* conversationAsOf(
  { reads, pages, open }: AsOfConversation,
  conversationId: ConversationId,
): AsyncGenerator<ConversationLine> {
  const row = await headOf(reads, pages, conversationId);
  if (row === undefined) return;
  const text = (context: string, sealed: ConversationRow["name"]) =>
    sealed === null ? null : textThen(open, context, sealed, undefined);
  const name = await text(sealedAs.name(conversationId), row.name);
  const description = await text(sealedAs.description(conversationId), row.description);
  yield { conversation: { ...row, name, description } };
  yield* membersOf(reads, conversationId);
  for (let from = 1; from <= row.lastSequence; from += pageRows) {
    const to = Math.min(from + pageRows - 1, row.lastSequence);
    const messages = await reads.messages(conversationId, { from, to, limit: pageRows, order: "ascending" });
    const counts = await reads.receiptCounts(
      conversationId,
      messages.map(({ sequence }) => sequence),
    );
    const bySequence = new Map(counts.map((each) => [each.sequence, each]));
    for (const message of messages)
      yield { message: await messageThen(message, bySequence.get(message.sequence), open) };
  }
  yield* versionsOf(reads, pages(), conversationId, open);
}

/** A conversation's row is read with a member's: anybody's who ever was one. */
const headOf = async (
  reads: ViewReads,
  pages: AsOfConversation["pages"],
  conversationId: ConversationId,
): Promise<ConversationRow | undefined> => {
  for await (const page of pages())
    for (const recorded of page) {
      const event = decodeConversationEvent(recorded);
      const someone = event.type === "MemberJoined" ? event.members[0] : undefined;
      if (someone !== undefined) return (await reads.summaries(someone.userId, [conversationId]))[0]?.conversation;
    }
  return undefined;
};

async function* membersOf(reads: ViewReads, conversationId: ConversationId): AsyncGenerator<ConversationLine> {
  for (let after: UserId | undefined; ;) {
    const page = await reads.members(conversationId, { limit: pageRows, ...(after === undefined ? {} : { after }) });
    for (const member of page) yield { member };
    after = page.at(-1)?.userId;
    if (page.length < pageRows) return;
  }
}

const messageThen = async (
  row: MessageRow,
  counts: ReceiptCounts | undefined,
  open: OpenContent | undefined,
): Promise<MessageThen> => {
  const { conversationId, content, reactions } = row;
  const users = (of: MessageRow["reactions"][number]) =>
    Promise.all(
      of.users.map(async ({ userId, emoji }) => ({
        userId,
        emoji: await textThen(open, sealedAs.emoji(conversationId, row.messageId, userId), emoji, userId),
      })),
    );
  return {
    ...withoutSealed(row),
    content: content === null ? null : await textThen(open, row.messageId, content, row.senderId),
    reactions: await Promise.all(reactions.map(async (of) => ({ count: of.count, users: await users(of) }))),
    receipts: { of: counts?.of ?? 0, delivered: counts?.delivered ?? 0, read: counts?.read ?? 0 },
  };
};

const withoutSealed = (row: MessageRow) => ({
  sequence: row.sequence,
  messageId: row.messageId,
  senderId: row.senderId,
  senderDeviceId: row.senderDeviceId,
  clientMessageId: row.clientMessageId,
  contentType: row.contentType,
  pos: row.pos,
  at: row.at,
  replyTo: row.replyTo,
  mentions: row.mentions,
  forwarded: row.forwarded,
  expiresAt: row.expiresAt,
  deletedAt: row.deletedAt,
  editedAt: row.editedAt,
  updatedPos: row.updatedPos,
});

/** In the log's order: what an edited or deleted message said before is in no view, only in the log. */
async function* versionsOf(
  reads: ViewReads,
  pages: AsyncIterable<readonly RecordedEvent[]>,
  conversationId: ConversationId,
  open: OpenContent | undefined,
): AsyncGenerator<ConversationLine> {
  for await (const page of pages) {
    const events = page.map((recorded) => ({ recorded, event: decodeConversationEvent(recorded) }));
    const sent = events.flatMap(({ event }) => (event.type === "MessageSent" ? [event.sequence] : []));
    const rows = await reads.messagesAt(conversationId, sent);
    const changed = new Set(
      rows.filter(({ editedAt, deletedAt }) => editedAt !== null || deletedAt !== null).map(({ sequence }) => sequence),
    );
    for (const { recorded, event } of events) {
      const change = changes[event.type];
      if (change === undefined || !("messageId" in event)) continue;
      if (event.type === "MessageSent" && !changed.has(event.sequence)) continue;
      const { position, revision } = recorded;
      const { sequence, messageId, at, by } = event;
      const content = "content" in event ? await textThen(open, messageId, event.content, userIdOf(by)) : null;
      yield { version: { position, revision, sequence, messageId, at, change, by, content } };
    }
  }
}

const changes: Readonly<Partial<Record<string, MessageVersion["change"]>>> = {
  MessageSent: "sent",
  MessageEdited: "edited",
  MessageDeleted: "deleted",
};
