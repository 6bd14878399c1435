import type { PositionRange } from "../../audit/archive/range.js";
import { asPosition, noPosition, streamOf, noRevision, type Position } from "../../domain/kernel/stream.js";
import { BadConfig } from "../../settings/config.js";
import type { OpenedToRead } from "../open.js";
import { positionBefore } from "../time-in-log.js";
import type { Target } from "../target.js";
import { archiveRuns, runsLike } from "./runs.js";

/** A place in the log, as operators name it: a position, or a time (epoch milliseconds). */
export type Bound = { readonly position: number } | { readonly at: number };

export type WantedRange = {
  /** From there on, inclusive; "last": where the last run of this format and scope ended. */
  readonly from: Bound | "last";
  /** A position inclusive, a time exclusive; by default all that is there. */
  readonly to?: Bound;
};

/** @throws (rejects) BadConfig when there is nothing in it, or the last run was of another incarnation of the log */
export const rangeOf = async (
  target: Target,
  opened: OpenedToRead,
  { from, to }: WantedRange,
  like: { readonly format: string; readonly scope: Readonly<Record<string, string>> },
): Promise<PositionRange> => {
  const { log } = opened;
  const head = await log.head();
  const after = from === "last" ? await endOfLast(opened, like) : await before(target, opened, from);
  const upTo = to === undefined ? head : await end(target, opened, to, head);
  if (upTo <= after)
    throw new BadConfig([
      `there is nothing to archive: the run would begin after position ${after} and end at ${upTo} (the log ends at ${head})`,
    ]);
  return { after, upTo };
};

const end = (target: Target, opened: OpenedToRead, to: Bound, head: Position): Promise<Position> =>
  "at" in to ? positionBefore(target, opened.log, to.at) : atMost(opened, asPosition(to.position), head);

/** The event at a position, else the last one before it. */
const atMost = async ({ log }: OpenedToRead, position: Position, head: Position): Promise<Position> => {
  if (position >= head) return head;
  const [previous] = await log.readAll(position, 1, "backwards");
  const [event] = await log.readAll(previous?.position ?? noPosition, 1);
  return event?.position === position ? position : (previous?.position ?? noPosition);
};

/** The event before a place. A store need not know a position at which no event is. */
const before = async (target: Target, { log }: OpenedToRead, from: Bound): Promise<Position> => {
  if ("at" in from) return positionBefore(target, log, from.at);
  if (from.position <= 1) return noPosition;
  return (await log.readAll(asPosition(from.position), 1, "backwards"))[0]?.position ?? noPosition;
};

const endOfLast = async (
  { log, epoch }: OpenedToRead,
  like: { readonly format: string; readonly scope: Readonly<Record<string, string>> },
): Promise<Position> => {
  const now = await epoch();
  const runs = runsLike((await archiveRuns(log)).runs, like);
  if (runs.length === 0) return noPosition;
  const ends = runs.filter((run) => run.epoch === now).map(({ upTo }) => upTo);
  if (ends.length > 0) return asPosition(Math.max(...ends));
  const [began] = await log.readStream(streamOf.log, noRevision, 1, "backwards");
  throw new BadConfig([
    `the log began anew (at position ${began?.position ?? "?"}) since the last run of this format and scope, which ended at ${runs.at(-1)?.upTo ?? "?"} of the log before: say with --from where this run begins. After a restore the positions up to the new beginning are the old ones; after an import they are others`,
  ]);
};
