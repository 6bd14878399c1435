import type Database from "better-sqlite3";
import type { ActivityKey, DeviceRow, InboxKey, TouchedRow, UserRow, ViewReads } from "../../projections/ports.js";
import { sqliteSummaries, stepsOf } from "./sqlite-summaries.js";
import {
  memberColumns,
  memberOf,
  messageColumns,
  messageOf,
  type StoredMember,
  type StoredMessage,
  type Synchronous,
} from "./sqlite-rows.js";

/** The port's reads. Each is one transaction, so it sees one moment although it takes several statements. */
export const sqliteReads = (db: Database.Database): Synchronous<ViewReads> => {
  const summaries = sqliteSummaries(db);
  const inboxKeys = inboxOf(db);
  return {
    inbox: db.transaction((userId: string, page: InboxPage) => summaries(userId, inboxKeys(userId, page))),
    summaries: db.transaction(summaries),
    touchedSince: touchedOf(db),
    members: membersOf(db),
    ...messageReads(db),
    membershipSteps: stepsOf(db),
    ...userReads(db),
  };
};

type InboxPage = Parameters<ViewReads["inbox"]>[1];

/**
 * Ids of a page, in order. Nothing pins or archives yet: no conversation is archived, and all come after the pinned ones.
 */
const inboxOf = (db: Database.Database) => {
  const sortAt = "ifnull(c.lastMessageAt, c.createdAt)";
  const select = (after: string) =>
    `select m.conversationId from members m join conversations c using (conversationId)
      where m.userId = $userId and m.present = 1 and m.joinedPos is not null and c.kind is not null ${after}
      order by ${sortAt} desc, m.conversationId limit $limit`;
  const first = db.prepare<[object], string>(select("")).pluck();
  const next = db
    .prepare<[object], string>(
      select(`and (${sortAt} < $sortAt or ${sortAt} = $sortAt and m.conversationId > $conversationId)`),
    )
    .pluck();
  return (userId: string, { archived, after, limit }: InboxPage): readonly string[] => {
    if (archived === true) return [];
    return isAfterUnpinned(after) ? next.all({ userId, limit, ...after }) : first.all({ userId, limit });
  };
};

const isAfterUnpinned = (after: InboxKey | undefined): after is InboxKey => after?.pinned === null;

type TouchedPage = Parameters<ViewReads["touchedSince"]>[1];

/** What touches a conversation touches its present members; past ones only what happened to themselves. */
const touchedOf = (db: Database.Database) => {
  const select = (bound: string, after: string, order: string) =>
    db.prepare<[object], Omit<TouchedRow, "present"> & { present: 0 | 1 }>(
      `select m.conversationId, c.activity, m.present, m.membershipPosition
        from members m join conversations c using (conversationId)
        where m.userId = $userId and m.joinedPos is not null and c.kind is not null
          and iif(m.present, max(c.touched, m.touched), m.touched) > $touchedAfter and c.activity ${bound} $bound ${after}
        order by c.activity ${order}, m.conversationId ${order} limit $limit`,
    );
  const beyond = (comparison: string) =>
    `and (c.activity, m.conversationId) ${comparison} ($activity, $conversationId)`;
  const statements = {
    descending: { first: select("<=", "", "desc"), next: select("<=", beyond("<"), "desc") },
    ascending: { first: select(">", "", "asc"), next: select(">", beyond(">"), "asc") },
  };
  return (userId: string, { order, after, ...page }: TouchedPage): readonly TouchedRow[] => {
    const parameters: { userId: string } & Omit<TouchedPage, "order" | "after"> & Partial<ActivityKey> = {
      userId,
      ...page,
      ...after,
    };
    const rows = statements[order][after === undefined ? "first" : "next"].all(parameters);
    return rows.map((row) => ({ ...row, present: row.present === 1 }));
  };
};

const membersOf = (db: Database.Database): Synchronous<ViewReads>["members"] => {
  const select = db.prepare<[string, string, number], StoredMember>(
    `select ${memberColumns} from members
      where conversationId = ? and userId > ? and present = 1 and joinedPos is not null order by userId limit ?`,
  );
  return (conversationId, { after = "", limit }) => select.all(conversationId, after, limit).map(memberOf);
};

const messageReads = (db: Database.Database): Pick<Synchronous<ViewReads>, "messages" | "messagesAt"> => {
  const range = (order: string) =>
    db.prepare<[string, number, number, number], StoredMessage>(
      `select ${messageColumns} from messages
        where conversationId = ? and sequence between ? and ? and messageId is not null order by sequence ${order} limit ?`,
    );
  const ranges = { ascending: range("asc"), descending: range("desc") };
  const one = db.prepare<[string, number], StoredMessage>(
    `select ${messageColumns} from messages where conversationId = ? and sequence = ? and messageId is not null`,
  );
  return {
    messages: (conversationId, { from, to, limit, order }) =>
      ranges[order].all(conversationId, from, to, limit).map(messageOf),
    messagesAt: db.transaction((conversationId: string, sequences: readonly number[]) =>
      sequences.flatMap((sequence) => one.all(conversationId, sequence).map(messageOf)),
    ),
  };
};

/** Nobody can change a profile yet, so it has no columns. */
const userReads = (db: Database.Database): Pick<Synchronous<ViewReads>, "user" | "devices"> => {
  const user = db.prepare<[string], Pick<UserRow, "userId">>(
    "select userId from users where userId = ? and registeredAt is not null",
  );
  const devices = db.prepare<[string], DeviceRow>(
    "select deviceId, deviceType, registeredAt from devices where userId = ? and deviceType is not null order by deviceId",
  );
  return {
    user: (userId) => {
      const found = user.get(userId);
      return found && { ...found, displayName: null, avatarMediaId: null };
    },
    devices: (userId) => devices.all(userId),
  };
};
