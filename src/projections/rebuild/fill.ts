import { setImmediate as nextTurn } from "node:timers/promises";
import { asPosition, earlierOf, type Position } from "../../domain/kernel/stream.js";
import type { EventSource } from "../ports/event-source.js";
import type { Checkpoint } from "../ports/view-store.js";
import type { GenerationWriter } from "../ports/generations.js";
import type { Project } from "../runner.js";
import type { Pace } from "./pace.js";
import { partsAhead, partsHere, projectPart, type FillPlan, type FillThreads, type Part, type Range } from "./parts.js";

export type FillOptions = {
  readonly source: Pick<EventSource, "readAll">;
  readonly writer: Pick<GenerationWriter, "apply" | "applyBound" | "settled">;
  readonly generation: FillPlan;
  readonly epoch: string;
  /** Of another build, for tests. */
  readonly project?: Project;
  /** They project slices of the log while this thread writes; without them it does both in turn. */
  readonly threads?: FillThreads & { readonly count: number };
  readonly pace: Pace;
  /** Events of one batch: a row that many of them touch is written once for all. */
  readonly batchEventsMax?: number;
  /** Before each batch, with how far it is. What it throws ends the work, which goes on from there another time. */
  readonly onBatch: (position: Position, events: number) => void | Promise<void>;
};

/**
 * Projects the log's events after `from` up to and with `upTo`, batch after batch, each with its checkpoint.
 * @returns where it came to: `upTo`, or before it where the log has nothing there
 * @throws (rejects) Error for an event that cannot be projected; what comes before it is written, or under way (`settled`)
 */
export const fill = async (options: FillOptions, from: Position, upTo: Position): Promise<Position> => {
  const { writer, epoch, pace, onBatch } = options;
  let position = from;
  let events = 0;
  await onBatch(position, events);
  for await (const part of partsOf(options, { after: from, upTo })) {
    if (part.reached > position) await write(writer, part.changes, { position: part.reached, epoch });
    if (part.failure !== undefined) throw part.failure;
    events += part.events;
    position = part.reached;
    await pace.after(part.events);
    await nextTurn();
    await onBatch(position, events);
  }
  await writer.settled();
  return position;
};

const partsOf = (options: FillOptions, range: Range) => {
  const { source, generation, threads, project, pace, batchEventsMax = 2_000 } = options;
  const eventsMax = Math.min(batchEventsMax, pace.batchMax);
  // A thread is not worth its while for what one batch holds: what came in while generations were compared.
  if (threads === undefined || range.upTo - range.after <= eventsMax)
    return partsHere(
      (part) => projectPart(source, part, generation, { eventsMax, ...(project === undefined ? {} : { project }) }),
      range,
    );
  return partsAhead((part) => threads.project(part, generation), range, {
    slice: (after) => earlierOf(asPosition(after + eventsMax), range.upTo),
    // One that is projected and waits for each that is being projected.
    atOnce: 2 * threads.count,
  });
};

const write = (writer: FillOptions["writer"], changes: Part["changes"], checkpoint: Checkpoint): Promise<void> => {
  if (!("bound" in changes)) return writer.apply(changes, checkpoint);
  if (writer.applyBound === undefined) throw new Error("rows that are bound are of an engine that writes such");
  return writer.applyBound(changes.bound, checkpoint);
};
