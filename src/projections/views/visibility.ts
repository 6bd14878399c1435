import type { Sequence } from "../../domain/kernel/ids.js";
import type { MembershipStep } from "../ports/rows.js";

/** Sequences from `from` to `to`, both inclusive; `to` is Infinity while the membership lasts. */
export type Interval = { readonly from: Sequence; readonly to: Sequence };

/**
 * What a user may see: `visibleFrom ≤ sequence < leftAt` of each of their memberships, ascending and disjoint
 * (a member who comes back with the whole history in sight has overlapping ones).
 *
 * @param steps by pos, ascending
 */
export const visibleIntervals = (steps: readonly MembershipStep[]): readonly Interval[] => {
  const merged: Interval[] = [];
  for (const interval of memberships(steps).toSorted((a, b) => a.from - b.from)) {
    if (interval.to < interval.from) continue;
    const last = merged.at(-1);
    if (last !== undefined && interval.from <= last.to + 1)
      merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, interval.to) };
    else merged.push(interval);
  }
  return merged;
};

/** The newest membership, which unread counts in. Undefined for a user who never was a member. */
export const newestMembership = (steps: readonly MembershipStep[]): Interval | undefined => memberships(steps).at(-1);

/** The newest sequence up to `lastSequence` that may be seen; undefined when there is none. */
export const newestVisible = (steps: readonly MembershipStep[], lastSequence: Sequence): Sequence | undefined => {
  const interval = visibleIntervals(steps).findLast(({ from }) => from <= lastSequence);
  return interval && Math.min(interval.to, lastSequence);
};

/**
 * Whether a reader may ever have been told of the other, as a member or by what they wrote: they were members at one
 * time, or the reader came later and sees what was written while the other was one.
 *
 * @param reader @param other steps in one conversation, by pos, ascending
 */
export const mayHaveMet = (reader: readonly MembershipStep[], other: readonly MembershipStep[]): boolean => {
  const others = stays(other);
  return stays(reader).some((mine) =>
    others.some(
      (theirs) =>
        theirs.joinedPos < mine.leftPos && (mine.joinedPos < theirs.leftPos || mine.visibleFrom < theirs.leftAt),
    ),
  );
};

/** One for each membership: from its first `pos` up to, not including, its last, and the same of what was said. */
const stays = (steps: readonly MembershipStep[]) =>
  steps.flatMap(({ joined, pos, sequence }, index) => {
    if (!joined) return [];
    const next = steps[index + 1];
    const end =
      next?.joined === false ? { pos: next.pos, sequence: next.sequence } : { pos: Infinity, sequence: Infinity };
    return [{ joinedPos: pos, leftPos: end.pos, visibleFrom: sequence, leftAt: end.sequence }];
  });

/** One interval a membership, in order. One in which nothing was said is empty: `to` is below `from`. */
const memberships = (steps: readonly MembershipStep[]): readonly Interval[] =>
  steps.flatMap((step, index) => {
    if (!step.joined) return [];
    const next = steps[index + 1];
    return [{ from: step.sequence, to: next === undefined || next.joined ? Infinity : next.sequence - 1 }];
  });
