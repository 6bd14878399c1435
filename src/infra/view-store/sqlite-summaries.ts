import type Database from "better-sqlite3";
import type { ConversationKind } from "../../domain/conversation/conversation.events.js";
import type { MembershipStep, SummaryRow } from "../../projections/ports.js";
import { newestMembership, newestVisible } from "../../projections/views/visibility.js";
import {
  conversationColumns,
  conversationOf,
  memberColumns,
  memberOf,
  messageColumns,
  messageOf,
  stepColumns,
  stepOf,
  type StoredConversation,
  type StoredMember,
  type StoredMessage,
  type StoredStep,
} from "./sqlite-rows.js";

type Summaries = (userId: string, conversationIds: readonly string[]) => readonly SummaryRow[];

/** Conversations as one member sees them, in the order asked for; those that they never were in are left out. */
export const sqliteSummaries = (db: Database.Database): Summaries => {
  const member = db.prepare<[string, string], StoredMember & Pick<SummaryRow, "membershipPosition">>(
    `select ${memberColumns}, membershipPosition from members where conversationId = ? and userId = ? and joinedPos is not null`,
  );
  const conversation = db.prepare<[string], StoredConversation & { readonly lastMessageAt: number | null }>(
    `select ${conversationColumns}, lastMessageAt from conversations where conversationId = ? and kind is not null`,
  );
  const steps = stepsOf(db);
  const messages = messageFigures(db);
  const others = otherMembers(db);

  const summary = (userId: string, conversationId: string): SummaryRow | undefined => {
    const storedMember = member.get(conversationId, userId);
    const stored = conversation.get(conversationId);
    if (storedMember === undefined || stored === undefined) return undefined;
    const { lastMessageAt, ...head } = stored;
    const { membershipPosition, ...ofMember } = storedMember;
    const memberRow = memberOf(ofMember);
    const memberSteps = steps(conversationId, userId);
    return {
      conversation: conversationOf(head),
      member: memberRow,
      membershipPosition,
      steps: memberSteps,
      ...messages(userId, conversationId, memberRow.readUpTo, memberSteps, head.lastSequence),
      ...others(userId, conversationId, head.kind),
      // Nothing pins, archives or mutes yet.
      pinned: null,
      archived: false,
      mutedUntil: null,
      sortAt: lastMessageAt ?? head.createdAt,
    };
  };
  return (userId, conversationIds) => conversationIds.flatMap((id) => summary(userId, id) ?? []);
};

/** When the user joined and left, by pos. */
export const stepsOf = (
  db: Database.Database,
): ((conversationId: string, userId: string) => readonly MembershipStep[]) => {
  const select = db.prepare<[string, string], StoredStep>(
    `select ${stepColumns} from memberships
      where conversationId = ? and userId = ? and joined is not null order by pos`,
  );
  return (conversationId, userId) => select.all(conversationId, userId).map(stepOf);
};

type MessageFigures = Pick<SummaryRow, "visibleFrom" | "lastVisible" | "lastMessage" | "ownAfter" | "deletedAfter">;

/** What unread is made of, and the newest message that they may see. */
const messageFigures = (db: Database.Database) => {
  const message = db.prepare<[string, number], StoredMessage>(
    `select ${messageColumns} from messages where conversationId = ? and sequence = ? and messageId is not null`,
  );
  const own = db
    .prepare<[string, string, number, number], number>(
      "select count(*) from messages where conversationId = ? and senderId = ? and sequence > ? and sequence <= ?",
    )
    .pluck();
  return (
    userId: string,
    conversationId: string,
    readUpTo: number,
    steps: readonly MembershipStep[],
    lastSequence: number,
  ): MessageFigures => {
    const membership = newestMembership(steps);
    const visibleFrom = membership?.from ?? 1;
    const lastVisible = Math.min(membership?.to ?? 0, lastSequence);
    const newest = newestVisible(steps, lastSequence);
    const lastMessage = newest === undefined ? undefined : message.get(conversationId, newest);
    return {
      visibleFrom,
      lastVisible,
      lastMessage: lastMessage === undefined ? null : messageOf(lastMessage),
      ownAfter: own.get(conversationId, userId, Math.max(readUpTo, visibleFrom - 1), lastVisible) ?? 0,
      // Nothing deletes yet.
      deletedAfter: 0,
    };
  };
};

type Others = Pick<SummaryRow, "peerId" | "deliveredToAll" | "readByAll">;

const otherMembers = (db: Database.Database) => {
  const peer = db
    .prepare<[string, string], string>(
      "select userId from members where conversationId = ? and userId <> ? and joinedPos is not null limit 1",
    )
    .pluck();
  const smallest = (cursor: "deliveredUpTo" | "readUpTo", index: string) =>
    db
      .prepare<[string, string], number>(
        `select ${cursor} from members indexed by ${index}
          where conversationId = ? and present = 1 and userId <> ? order by ${cursor} limit 1`,
      )
      .pluck();
  const delivered = smallest("deliveredUpTo", "members_by_delivered");
  const read = smallest("readUpTo", "members_by_read");
  return (userId: string, conversationId: string, kind: ConversationKind): Others => ({
    peerId: kind === "direct" ? (peer.get(conversationId, userId) ?? null) : null,
    deliveredToAll: delivered.get(conversationId, userId) ?? null,
    readByAll: read.get(conversationId, userId) ?? null,
  });
};
