import type Database from "better-sqlite3";
import type { FoundMessage, MessageRow } from "../../../projections/ports/rows.js";
import type { ViewReads } from "../../../projections/ports/view-store.js";
import { idKeysBetween } from "../../../projections/views/id-key.js";
import { reactionReads } from "./reactions.js";
import { messageColumns, messageOf, type StoredMessage, type Synchronous } from "./rows.js";
import type { ConversationId, Sequence } from "../../../domain/kernel/ids.js";
import { noRevision, type Position, type Revision } from "../../../domain/kernel/stream.js";

type MessageReads = Pick<Synchronous<ViewReads>, "messages" | "messagesAt" | "messageById">;

export const messageReads = (db: Database.Database): MessageReads => {
  const range = (order: string) =>
    db.prepare<[string, number, number, number], StoredMessage>(
      `select ${messageColumns} from messages
        where conversationId = ? and sequence between ? and ? and messageId is not null order by sequence ${order} limit ?`,
    );
  const ranges = { ascending: range("asc"), descending: range("desc") };
  const withReactions = reactionsOf(db);
  const at = messageAt(db);
  type Range = Parameters<ViewReads["messages"]>[1];
  return {
    messages: db.transaction((conversationId: ConversationId, { from, to, limit, order }: Range) =>
      withReactions(conversationId, ranges[order].all(conversationId, from, to, limit)),
    ),
    messagesAt: db.transaction((conversationId: ConversationId, sequences: readonly Sequence[]) =>
      sequences.flatMap((sequence) => at(conversationId, sequence) ?? []),
    ),
    messageById: db.transaction(messageByIdOf(db)),
  };
};

/** Adds what the rows' range has of reactions: one look for a whole page, most of which has none. */
const reactionsOf = (db: Database.Database) => {
  const reactions = reactionReads(db);
  return (conversationId: ConversationId, rows: readonly StoredMessage[]): readonly MessageRow[] => {
    const first = rows[0]?.sequence ?? 0;
    const last = rows.at(-1)?.sequence ?? -1;
    const found = reactions.within(conversationId, Math.min(first, last), Math.max(first, last));
    return rows.map((row) => messageOf(row, found.get(row.sequence) ?? []));
  };
};

/** One message. Not a transaction by itself: it is part of its caller's. */
export const messageAt = (
  db: Database.Database,
): ((conversationId: ConversationId, sequence: Sequence) => MessageRow | undefined) => {
  const one = db.prepare<[string, number], StoredMessage>(
    `select ${messageColumns} from messages where conversationId = ? and sequence = ? and messageId is not null`,
  );
  const withReactions = reactionsOf(db);
  return (conversationId, sequence) => withReactions(conversationId, one.all(conversationId, sequence))[0];
};

/** Asks one stretch of the log after another, from the conversation's newest event to its first (id-key.ts). */
const messageByIdOf = (db: Database.Database): Synchronous<ViewReads>["messageById"] => {
  type Bounds = { readonly headPos: Revision; readonly startedPosition: Position; readonly activity: Position };
  const bounds = db.prepare<[string], Bounds>(
    "select headPos, startedPosition, activity from conversations where conversationId = ? and kind is not null",
  );
  const find = db
    .prepare<[number, string, string], number>(
      "select sequence from messages indexed by messages_by_id where idKey = ? and messageId = ? and conversationId = ?",
    )
    .pluck();
  const at = messageAt(db);
  const reactions = reactionReads(db);
  return (conversationId, messageId): FoundMessage => {
    const known = bounds.get(conversationId);
    if (known === undefined) return { coversTo: noRevision, message: null, reactions: [] };
    const coversTo = known.headPos;
    for (const key of idKeysBetween(messageId, known.startedPosition, known.activity)) {
      const sequence = find.get(key, messageId, conversationId);
      if (sequence === undefined) continue;
      const message = at(conversationId, sequence) ?? null;
      const there = message?.deletedAt === null;
      return { coversTo, message, reactions: there ? reactions.all(conversationId, sequence) : [] };
    }
    return { coversTo, message: null, reactions: [] };
  };
};
