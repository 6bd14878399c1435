import { E, t } from "../../domain/kernel/fp.js";
import type { SummaryRow } from "../ports/rows.js";
import type { InboxKey } from "../ports/view-store.js";
import { decodeCursor, encodeCursor } from "./cursor.js";
import type { Queries } from "./queries.js";
import { toSummary, type SummaryDependencies } from "./summary.js";

const cursorCodec: t.Type<InboxKey> = t.type({
  pinned: t.union([t.number, t.null]),
  sortAt: t.number,
  conversationId: t.string,
});

/** `GET /conversations`: the conversations that the actor is in. */
export const inboxQuery =
  ({ reads, open }: SummaryDependencies): Queries["inbox"] =>
  async ({ userId }, { limit, cursor, archived }) => {
    const after = decodeCursor(cursorCodec, cursor);
    if (E.isLeft(after)) return after;
    const page = { archived, limit: limit + 1, ...(after.right === undefined ? {} : { after: after.right }) };
    const rows = await reads.inbox(userId, page);
    const shown = rows.slice(0, limit);
    const conversations = await Promise.all(shown.map((row) => toSummary(row, open)));
    const last = rows.length > limit ? shown.at(-1) : undefined;
    return E.right({ conversations, ...(last === undefined ? {} : { nextCursor: encodeCursor(placeOf(last)) }) });
  };

const placeOf = ({ pinned, sortAt, conversation }: SummaryRow): InboxKey => ({
  pinned,
  sortAt,
  conversationId: conversation.conversationId,
});
