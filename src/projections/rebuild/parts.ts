import type { Position, RecordedEvent } from "../../domain/kernel/stream.js";
import { viewsOfNames } from "../named.js";
import type { EventSource } from "../ports/event-source.js";
import type { BoundRows, Generation } from "../ports/generations.js";
import { readBatch } from "../read-batch.js";
import { projectBatch, type Project } from "../runner.js";
import type { ViewChange, ViewName } from "../view-change.js";

/** What a generation is filled with: the plan that says which events change which of its views. */
export type FillPlan = Pick<Generation, "names" | "forkedAt">;

/** Of the log, after the one position up to and with the other. */
export type Range = { readonly after: Position; readonly upTo: Position };

/** A part of the log, projected. */
export type Part = {
  readonly changes: readonly ViewChange[] | { readonly bound: BoundRows };
  /** What of the range is in it: all up to here. The range's end also where the log has nothing more before it. */
  readonly reached: Position;
  readonly events: number;
  /** Of the event behind `reached`, which cannot be projected. */
  readonly failure?: Error;
};

/** Threads beside the caller's that project ranges of the log. */
export type FillThreads = {
  /** Projects the range, or so much of its beginning as one batch may hold. Calls may be made at once. */
  readonly project: (range: Range, plan: FillPlan) => Promise<Part>;
  readonly close: () => Promise<void>;
};

/** Reads and projects a range of the log, or so much of its beginning as one batch may hold. */
export const projectPart = async (
  source: Pick<EventSource, "readAll">,
  { after, upTo }: Range,
  plan: FillPlan,
  { eventsMax, project }: { readonly eventsMax: number; readonly project?: Project },
): Promise<Part & { readonly changes: readonly ViewChange[] }> => {
  const batch = await readBatch(source, after, eventsMax);
  const within = batch.events.filter(({ position }) => position <= upTo);
  const { changes, reached, failure } = changesOf(within, plan, project);
  const isEnd = within.length < batch.events.length || !batch.isFull;
  if (failure !== undefined) return { changes, reached: reached ?? after, events: within.length, failure };
  return { changes, reached: isEnd ? upTo : (reached ?? after), events: within.length };
};

/** Of the views that are copied the rows hold everything up to where they were copied from. */
const changesOf = (events: readonly RecordedEvent[], { names, forkedAt }: FillPlan, project: Project | undefined) => {
  const named = new Set<ViewName>(viewsOfNames(names));
  const split = events.findIndex(({ position }) => position > forkedAt);
  const before = projectBatch(split === -1 ? events : events.slice(0, split), project);
  const after = projectBatch(split === -1 || before.failure !== undefined ? [] : events.slice(split), project);
  const changes: readonly ViewChange[] = [...before.changes.filter(({ view }) => named.has(view)), ...after.changes];
  const reached = after.position ?? before.position;
  return { changes, reached, failure: (before.failure ?? after.failure)?.error };
};

/** The range's parts, one after the other, each projected when it is asked for. */
export async function* partsHere(project: (range: Range) => Promise<Part>, { after, upTo }: Range) {
  for (let from = after; from < upTo;) {
    const part = await project({ after: from, upTo });
    yield part;
    from = part.reached;
  }
}

/**
 * The range's parts in the log's order, as many of them under way at once: each slice of it is projected while those before
 * it are being written. No more than that are held.
 */
export async function* partsAhead(
  project: (range: Range) => Promise<Part>,
  { after, upTo }: Range,
  { slice, atOnce }: { readonly slice: (after: Position) => Position; readonly atOnce: number },
) {
  const begun: { readonly upTo: Position; part: Promise<Part> }[] = [];
  const begin = (range: Range): Promise<Part> => {
    const part = project(range);
    // Whoever ends before it is asked for does not hear how it failed.
    part.catch(() => undefined);
    return part;
  };
  let next = after;
  const beginMore = (): void => {
    while (begun.length < atOnce && next < upTo) {
      const end = slice(next) < upTo ? slice(next) : upTo;
      begun.push({ upTo: end, part: begin({ after: next, upTo: end }) });
      next = end;
    }
  };
  beginMore();
  for (let first = begun[0]; first !== undefined; first = begun[0]) {
    const part = await first.part;
    // Large events: a batch does not hold all of the slice.
    if (part.reached < first.upTo) first.part = begin({ after: part.reached, upTo: first.upTo });
    else begun.shift();
    beginMore();
    yield part;
  }
}
