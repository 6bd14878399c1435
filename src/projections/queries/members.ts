import { E, t } from "../../domain/kernel/fp.js";
import type { MemberRow } from "../ports/rows.js";
import type { ViewReads } from "../ports/view-store.js";
import { decodeCursor, encodeCursor } from "./cursor.js";
import type { MembersPage, Queries } from "./queries.js";
import { presentMember } from "./summary.js";

/** `GET /conversations/{id}/members`, by user id: for present members. Direct conversations have no roles. */
export const membersQuery =
  ({ reads }: { readonly reads: ViewReads }): Queries["members"] =>
  async (actor, conversationId, { limit, cursor }) => {
    const own = await presentMember(reads, actor, conversationId);
    if (E.isLeft(own)) return own;
    const after = decodeCursor(t.string, cursor);
    if (E.isLeft(after)) return after;
    const page = { limit: limit + 1, ...(after.right === undefined ? {} : { after: after.right }) };
    const rows = await reads.members(conversationId, page);
    const shown = rows.slice(0, limit);
    const last = rows.length > limit ? shown.at(-1) : undefined;
    return E.right({
      members: shown.map(own.right.conversation.kind === "group" ? groupMember : directMember),
      ...(last === undefined ? {} : { nextCursor: encodeCursor(last.userId) }),
    });
  };

type MemberView = MembersPage["members"][number];

const directMember = ({ userId, joinedAt }: MemberRow): MemberView => ({ userId, joinedAt });
const groupMember = ({ userId, role, joinedAt }: MemberRow): MemberView => ({ userId, role, joinedAt });
