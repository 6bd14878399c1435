import type { EventLog } from "../../commands/ports.js";
import { decodeEvent, UnreadableEvent } from "../../domain/catalogue.js";
import type { ConversationId, MessageId, UserId } from "../../domain/kernel/ids.js";
import { noPosition, streamOf, type Position } from "../../domain/kernel/stream.js";
import { streamEvents } from "../../domain/kernel/stream-pages.js";
import type { Cursor } from "../../domain/receipts/receipts.events.js";
import type { ArchiveRecord } from "../archive/record.js";
import { recordsOf, type RecordSource } from "../archive/records.js";

/** `own`: what a user did and what was done to them; `visible`: also what others did and they could see. */
export const takeoutExtents = ["own", "visible"] as const;
export type TakeoutExtent = (typeof takeoutExtents)[number];

/** A record without who else could see it: that is the others' affair. */
export type TakeoutRecord = Omit<ArchiveRecord, "visibleTo"> & {
  /** Somebody else wrote it, and it was deleted: its content is not handed out once more. */
  readonly withheld?: true;
};

/** What of a conversation is a user's, by revision. */
export async function* takeoutRecords(
  source: RecordSource,
  conversationId: ConversationId,
  user: UserId,
  { extent, upTo }: { readonly extent: TakeoutExtent; readonly upTo: Position },
): AsyncGenerator<TakeoutRecord> {
  const deleted = extent === "own" ? new Set<MessageId>() : await deletedIn(source.log, conversationId, upTo);
  for await (const item of recordsOf(source, conversationId, { after: noPosition, upTo }, user)) {
    if (!("record" in item)) continue;
    const record: TakeoutRecord = withoutReaders(item.record);
    const isOwn = record.author?.userId === user || record.subject?.userId === user;
    if (isOwn) yield record;
    else if (extent === "visible")
      yield withheldIf(record.message !== undefined && deleted.has(record.message.messageId), record);
  }
}

const withoutReaders = (record: ArchiveRecord): TakeoutRecord => {
  const { visibleTo, ...rest } = record;
  return visibleTo === undefined ? record : rest;
};

const withheldIf = (isDeleted: boolean, record: TakeoutRecord): TakeoutRecord => {
  const { message } = record;
  if (!isDeleted || message === undefined) return record;
  const { messageId, sequence } = message;
  return { ...record, message: { messageId, sequence }, withheld: true };
};

/** Ids alone are in memory, of what was deleted alone. */
const deletedIn = async (
  log: Pick<EventLog, "readStream">,
  id: ConversationId,
  upTo: Position,
): Promise<ReadonlySet<MessageId>> => {
  const deleted = new Set<MessageId>();
  for await (const recorded of streamEvents(log, streamOf.conversation(id), { upTo })) {
    if (recorded.type !== "MessageDeleted") continue;
    const { messageId } = JSON.parse(recorded.data) as { readonly messageId: MessageId };
    deleted.add(messageId);
  }
  return deleted;
};

/** How far a user's devices had received and read, step by step. */
export type TakeoutReceipt = Cursor & { readonly conversationId: ConversationId };

/** The user's receipts of a conversation; an event that cannot be read is left out, and told. */
export async function* takeoutReceipts(
  log: Pick<EventLog, "readStream">,
  conversationId: ConversationId,
  user: UserId,
  upTo: Position,
  onUnreadable: (reason: string) => void,
): AsyncGenerator<TakeoutReceipt> {
  for await (const recorded of streamEvents(log, streamOf.receipts(conversationId), { upTo })) {
    try {
      const event = decodeEvent(recorded);
      if (event.type !== "ReceiptsAdvanced") continue;
      for (const cursor of event.cursors) if (cursor.userId === user) yield { conversationId, ...cursor };
    } catch (error) {
      if (!(error instanceof UnreadableEvent)) throw error;
      onUnreadable(error.message);
    }
  }
}
