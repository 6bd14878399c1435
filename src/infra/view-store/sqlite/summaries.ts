import type Database from "better-sqlite3";
import type { ConversationKind } from "../../../domain/conversation/conversation.events.js";
import type { ConversationId, Sequence, UserId } from "../../../domain/kernel/ids.js";
import { defaultPrivacy } from "../../../domain/user/user.events.js";
import type { MembershipStep, SummaryRow } from "../../../projections/ports/rows.js";
import { newestMembership, newestVisible } from "../../../projections/views/visibility.js";
import { messageAt } from "./messages.js";
import {
  conversationColumns,
  conversationOf,
  memberColumns,
  memberOf,
  preferenceColumns,
  stepColumns,
  stepOf,
  type StoredConversation,
  type StoredMember,
  type StoredPreferences,
  type StoredStep,
} from "./rows.js";

type Summaries = (userId: UserId, conversationIds: readonly ConversationId[]) => readonly SummaryRow[];

/** Conversations as one member sees them, in the order asked for; those that they never were in are left out. */
export const sqliteSummaries = (db: Database.Database): Summaries => {
  const member = db.prepare<[string, string], StoredMember & StoredPreferences>(
    `select ${memberColumns}, ${preferenceColumns} from members where conversationId = ? and userId = ? and joinedPos is not null`,
  );
  const conversation = db.prepare<[string], StoredConversation & { readonly lastMessageAt: number | null }>(
    `select ${conversationColumns}, lastMessageAt from conversations where conversationId = ? and kind is not null`,
  );
  const steps = stepsOf(db);
  const messages = messageFigures(db);
  const others = otherMembers(db);
  const seesReads = seesReadsOf(db);

  const summary = (userId: UserId, conversationId: ConversationId, sees: boolean): SummaryRow | undefined => {
    const storedMember = member.get(conversationId, userId);
    const stored = conversation.get(conversationId);
    if (storedMember === undefined || stored === undefined) return undefined;
    const { lastMessageAt, ...head } = stored;
    const { membershipPosition, pinned, archived, mutedUntil, ...ofMember } = storedMember;
    const memberRow = memberOf(ofMember);
    const memberSteps = steps(conversationId, userId);
    return {
      conversation: conversationOf(head),
      member: memberRow,
      membershipPosition,
      steps: memberSteps,
      ...messages(userId, conversationId, memberRow.readUpTo, memberSteps, head.lastSequence),
      ...others(userId, conversationId, head.kind, sees),
      pinned,
      archived: archived === 1,
      mutedUntil,
      sortAt: lastMessageAt ?? head.createdAt,
    };
  };
  return (userId, conversationIds) => {
    const sees = seesReads(userId);
    return conversationIds.flatMap((id) => summary(userId, id, sees) ?? []);
  };
};

/** When the user joined and left, by pos. */
export const stepsOf = (
  db: Database.Database,
): ((conversationId: ConversationId, userId: UserId) => readonly MembershipStep[]) => {
  const select = db.prepare<[string, string], StoredStep>(
    `select ${stepColumns} from memberships
      where conversationId = ? and userId = ? and joined is not null order by pos`,
  );
  return (conversationId, userId) => select.all(conversationId, userId).map(stepOf);
};

type MessageFigures = Pick<SummaryRow, "visibleFrom" | "lastVisible" | "lastMessage" | "ownAfter" | "deletedAfter">;

/** What unread is made of, and the newest message that they may see. */
const messageFigures = (db: Database.Database) => {
  const message = messageAt(db);
  const deleted = db
    .prepare<[string, string, number, number], number>(
      `select count(*) from messages indexed by messages_deleted
        where conversationId = ? and senderId <> ? and sequence > ? and sequence <= ? and deletedAt is not null`,
    )
    .pluck();
  const own = db
    .prepare<[string, string, number, number], number>(
      "select count(*) from messages where conversationId = ? and senderId = ? and sequence > ? and sequence <= ?",
    )
    .pluck();
  return (
    userId: UserId,
    conversationId: ConversationId,
    readUpTo: Sequence,
    steps: readonly MembershipStep[],
    lastSequence: Sequence,
  ): MessageFigures => {
    const membership = newestMembership(steps);
    const visibleFrom = membership?.from ?? 1;
    const lastVisible = Math.min(membership?.to ?? 0, lastSequence);
    const newest = newestVisible(steps, lastSequence);
    const from = Math.max(readUpTo, visibleFrom - 1);
    return {
      visibleFrom,
      lastVisible,
      lastMessage: (newest === undefined ? undefined : message(conversationId, newest)) ?? null,
      ownAfter: own.get(conversationId, userId, from, lastVisible) ?? 0,
      deletedAfter: deleted.get(conversationId, userId, from, lastVisible) ?? 0,
    };
  };
};

/** A user who shows no reads sees none. */
const seesReadsOf = (db: Database.Database) => {
  const select = db.prepare<[string], 0 | 1 | null>("select readReceipts from users where userId = ?").pluck();
  return (userId: UserId): boolean => (select.get(userId) ?? Number(defaultPrivacy.readReceipts)) === 1;
};

type Others = Pick<SummaryRow, "peerId" | "deliveredToAll" | "readByAll">;

const otherMembers = (db: Database.Database) => {
  const peer = db
    .prepare<[string, string], string>(
      "select userId from members where conversationId = ? and userId <> ? and joinedPos is not null limit 1",
    )
    .pluck();
  const smallest = (cursor: "deliveredUpTo" | "shownReadUpTo", index: string) =>
    db
      .prepare<[string, string], number>(
        `select ${cursor} from members indexed by ${index}
          where conversationId = ? and present = 1 and userId <> ? order by ${cursor} limit 1`,
      )
      .pluck();
  const delivered = smallest("deliveredUpTo", "members_by_delivered");
  const read = smallest("shownReadUpTo", "members_by_read");
  return (userId: UserId, conversationId: ConversationId, kind: ConversationKind, seesReads: boolean): Others => ({
    peerId: kind === "direct" ? (peer.get(conversationId, userId) ?? null) : null,
    deliveredToAll: delivered.get(conversationId, userId) ?? null,
    readByAll: seesReads ? (read.get(conversationId, userId) ?? null) : 0,
  });
};
