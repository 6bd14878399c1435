import type { UserId } from "../../domain/kernel/ids.js";
import { sealedAs } from "../../domain/kernel/sealed.js";
import { unreadOf } from "../../projections/frames/unread.js";
import type { OpenContent } from "../../projections/ports/open-content.js";
import type { DeviceRow, MemberRow, MembershipStep, SummaryRow, UserRow } from "../../projections/ports/rows.js";
import type { InboxKey, ViewReads } from "../../projections/ports/view-store.js";
import { textThen, type TextThen } from "./texts.js";

export type UserThen = Omit<UserRow, "displayName"> & { readonly displayName: TextThen | null };
/** One conversation of their inbox. */
export type InboxThen = Pick<SummaryRow, "pinned" | "archived" | "mutedUntil" | "deliveredToAll" | "readByAll"> &
  Pick<MemberRow, "role" | "joinedAt" | "deliveredUpTo" | "readUpTo"> &
  Pick<SummaryRow["conversation"], "conversationId" | "kind" | "memberCount" | "lastSequence"> & {
    readonly name: TextThen | null;
    readonly unread: number;
    /** The newest message that they could see: its sequence. */
    readonly lastVisible: number | null;
    readonly memberships: readonly MembershipStep[];
  };

/** What a user had, line by line: their profile, their devices, and their inbox in its order. */
export type UserLine = { readonly user: UserThen } | { readonly device: DeviceRow } | { readonly inbox: InboxThen };

const pageRows = 100;

/** `reads`: views as of the moment, of which the user's rows and their conversations' are whole. Nothing for one who was never seen. */
export async function* userAsOf(reads: ViewReads, userId: UserId, open?: OpenContent): AsyncGenerator<UserLine> {
  const row = await reads.user(userId);
  if (row !== undefined) {
    const { displayName } = row;
    const name = displayName === null ? null : await textThen(open, sealedAs.displayName(userId), displayName, userId);
    yield { user: { ...row, displayName: name } };
  }
  for (const device of await reads.devices(userId)) yield { device };
  for (let after: InboxKey | undefined; ;) {
    const page = { archived: undefined, limit: pageRows, ...(after === undefined ? {} : { after }) };
    const rows = await reads.inbox(userId, page);
    for (const summary of rows) yield { inbox: await inboxThen(summary, open) };
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageRows) return;
    after = { pinned: last.pinned, sortAt: last.sortAt, conversationId: last.conversation.conversationId };
  }
}

const inboxThen = async (row: SummaryRow, open: OpenContent | undefined): Promise<InboxThen> => {
  const { conversationId, kind, memberCount, lastSequence, name } = row.conversation;
  const { role, joinedAt, deliveredUpTo, readUpTo } = row.member;
  return {
    conversationId,
    kind,
    name: name === null ? null : await textThen(open, sealedAs.name(conversationId), name, undefined),
    memberCount,
    lastSequence,
    role,
    joinedAt,
    unread: unreadOf(row),
    readUpTo,
    deliveredUpTo,
    lastVisible: row.lastMessage?.sequence ?? null,
    deliveredToAll: row.deliveredToAll,
    readByAll: row.readByAll,
    pinned: row.pinned,
    archived: row.archived,
    mutedUntil: row.mutedUntil,
    memberships: row.steps,
  };
};
