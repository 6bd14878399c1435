import type Database from "better-sqlite3";
import type { ConversationId, UserId } from "../../../domain/kernel/ids.js";
import { defaultPrivacy, type Privacy } from "../../../domain/user/user.events.js";
import type { DeviceRow, ErasedRow, TouchedRow, UserRow } from "../../../projections/ports/rows.js";
import type { ViewReads } from "../../../projections/ports/view-store.js";
import { sealedOf } from "../../../projections/views/sealed-value.js";
import { messageReads } from "./messages.js";
import { receiptReads } from "./receipts.js";
import { sqliteSummaries, stepsOf } from "./summaries.js";
import { memberColumns, memberOf, type StoredMember, type Synchronous } from "./rows.js";

/** The port's reads. Each is one transaction, so it sees one moment although it takes several statements. */
export const sqliteReads = (db: Database.Database): Synchronous<ViewReads> => {
  const summaries = sqliteSummaries(db);
  const inboxKeys = inboxOf(db);
  return {
    inbox: db.transaction((userId: UserId, page: InboxPage) => summaries(userId, inboxKeys(userId, page))),
    summaries: db.transaction(summaries),
    touchedSince: touchedOf(db),
    members: membersOf(db),
    ...messageReads(db),
    ...receiptReads(db),
    membershipSteps: stepsOf(db),
    ...userReads(db),
  };
};

type InboxPage = Parameters<ViewReads["inbox"]>[1];

/** Ids of a page, in order. What is not pinned comes after everything that is. */
const inboxOf = (db: Database.Database) => {
  const rank = `ifnull(m.pinned, ${unpinnedRank})`;
  const sortAt = "ifnull(c.lastMessageAt, c.createdAt)";
  const select = (after: string) =>
    db
      .prepare<[object], string>(
        `select m.conversationId from members m join conversations c using (conversationId)
          where m.userId = $userId and m.present = 1 and m.joinedPos is not null and c.kind is not null
            and ($archived is null or ifnull(m.archived, 0) = $archived) ${after}
          order by ${rank}, ${sortAt} desc, m.conversationId limit $limit`,
      )
      .pluck();
  const first = select("");
  const next = select(
    `and (${rank} > $rank or ${rank} = $rank
      and (${sortAt} < $sortAt or ${sortAt} = $sortAt and m.conversationId > $conversationId))`,
  );
  return (userId: UserId, { archived, after, limit }: InboxPage): readonly ConversationId[] => {
    const page = { userId, archived: archived === undefined ? null : Number(archived), limit };
    if (after === undefined) return first.all(page);
    const { pinned, sortAt, conversationId } = after;
    return next.all({ ...page, rank: pinned ?? unpinnedRank, sortAt, conversationId });
  };
};

/** Beyond every rank. */
const unpinnedRank = Number.MAX_SAFE_INTEGER;

type TouchedPage = Parameters<ViewReads["touchedSince"]>[1];

/** What touches a conversation touches its present members; past ones only what happened to themselves. */
const touchedOf = (db: Database.Database) => {
  const select = (after: string, order: string) =>
    db.prepare<[object], Omit<TouchedRow, "present"> & { present: 0 | 1 }>(
      `select m.conversationId, c.activity, m.present, m.membershipPosition
        from members m join conversations c using (conversationId)
        where m.userId = $userId and m.joinedPos is not null and c.kind is not null and c.activity is not null
          and iif(m.present, max(c.touched, m.touched), m.touched) > $touchedAfter ${after}
        order by ${order} limit $limit`,
    );
  const byActivity = "c.activity desc, m.conversationId desc";
  const statements = {
    activity: {
      first: select("", byActivity),
      next: select("and (c.activity, m.conversationId) < ($activity, $conversationId)", byActivity),
    },
    id: {
      first: select("", "m.conversationId"),
      next: select("and m.conversationId > $conversationId", "m.conversationId"),
    },
  };
  return (userId: UserId, { order, after, ...page }: TouchedPage): readonly TouchedRow[] => {
    const parameters = { userId, ...page, ...after };
    const rows = statements[order][after === undefined ? "first" : "next"].all(parameters);
    return rows.map((row) => ({ ...row, present: row.present === 1 }));
  };
};

const membersOf = (db: Database.Database): Synchronous<ViewReads>["members"] => {
  const select = (which: string) =>
    db.prepare<[string, string, number], StoredMember>(
      `select ${memberColumns} from members
        where conversationId = ? and userId > ? ${which} and joinedPos is not null order by userId limit ?`,
    );
  const present = select("and present = 1");
  const all = select("");
  return (conversationId, { after = "", limit, former }) =>
    (former === true ? all : present).all(conversationId, after, limit).map(memberOf);
};

const userReads = (
  db: Database.Database,
): Pick<Synchronous<ViewReads>, "user" | "devices" | "erasedAfter" | "erasedAmong"> => {
  type StoredUser = Pick<UserRow, "userId"> & {
    readonly displayName: string | null;
    readonly lastSeen: Privacy["lastSeen"] | null;
    readonly readReceipts: 0 | 1 | null;
  };
  const user = db.prepare<[string], StoredUser>(
    "select userId, displayName, lastSeen, readReceipts from users where userId = ? and registeredAt is not null and erasedAt is null",
  );
  const devices = db.prepare<[string], DeviceRow>(
    "select deviceId, deviceType, registeredAt from devices where userId = ? and deviceType is not null order by deviceId",
  );
  const erased = db.prepare<[number, number], ErasedRow>(
    `select userId, erasedPosition as position from users indexed by users_erased
      where erasedPosition > ? and registeredAt is not null order by erasedPosition limit ?`,
  );
  const erasedAmong = db
    .prepare<[string], UserId>(
      "select userId from users where userId in (select value from json_each(?)) and erasedAt is not null",
    )
    .pluck();
  return {
    user: (userId) => {
      const found = user.get(userId);
      if (found === undefined) return undefined;
      const { lastSeen, readReceipts, displayName, ...profile } = found;
      const privacy = {
        lastSeen: lastSeen ?? defaultPrivacy.lastSeen,
        readReceipts: readReceipts === null ? defaultPrivacy.readReceipts : readReceipts === 1,
      };
      // An avatar is media, which profiles cannot name yet.
      return { ...profile, displayName: sealedOf(displayName), avatarMediaId: null, privacy };
    },
    devices: (userId) => devices.all(userId),
    erasedAfter: (position, limit) => erased.all(position, limit),
    erasedAmong: (userIds) => erasedAmong.all(JSON.stringify(userIds)),
  };
};
