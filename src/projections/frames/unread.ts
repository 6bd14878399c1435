import type { SummaryRow } from "../ports/rows.js";

/**
 * Messages that the member may see and has neither read, sent nor lost to deletion: what lies after the read cursor,
 * or after the start of the membership where that is later, less the own and the deleted ones. Computed whenever it is
 * asked for: a counter that is incremented would have to be right about every duplicate and every reordering.
 */
export const unreadOf = (
  row: Pick<SummaryRow, "lastVisible" | "visibleFrom" | "ownAfter" | "deletedAfter"> & {
    readonly member: Pick<SummaryRow["member"], "readUpTo">;
  },
): number => {
  const from = Math.max(row.member.readUpTo, row.visibleFrom - 1);
  // A member who left before the newest message they had read has nothing unread, not less than nothing.
  return Math.max(0, row.lastVisible - from - row.ownAfter - row.deletedAfter);
};
