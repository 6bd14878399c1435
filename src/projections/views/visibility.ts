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

/** One interval a membership, in order. One in which nothing was said is empty: `to` is below `from`. */
const memberships = (steps: readonly MembershipStep[]): readonly Interval[] =>
  steps.flatMap((step, index) => {
    if (!step.joined) return [];
    const next = steps[index + 1];
    return [{ from: step.sequence, to: next === undefined || next.joined ? Infinity : next.sequence - 1 }];
  });
