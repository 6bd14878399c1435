import { setImmediate as nextTurn } from "node:timers/promises";
import type { Position, RecordedEvent } from "../../domain/kernel/stream.js";
import { viewsOfNames } from "../named.js";
import type { EventSource } from "../ports/event-source.js";
import type { Generation, GenerationWriter } from "../ports/generations.js";
import { readBatch } from "../read-batch.js";
import { projectBatch, type Project } from "../runner.js";
import type { ViewChange, ViewName } from "../view-change.js";
import type { Pace } from "./pace.js";

export type FillOptions = {
  readonly source: Pick<EventSource, "readAll">;
  readonly writer: Pick<GenerationWriter, "apply">;
  readonly generation: Pick<Generation, "names" | "forkedAt">;
  readonly epoch: string;
  /** Of another build, for tests. */
  readonly project?: Project;
  readonly pace: Pace;
  /** Events of one batch: a row that many of them touch is written once for all. */
  readonly batchEventsMax?: number;
  /** Before each batch, with how far it is. What it throws ends the work, which goes on from there another time. */
  readonly onBatch: (position: Position, events: number) => void | Promise<void>;
};

/**
 * Projects the log's events after `from` up to and with `upTo`, batch after batch, each with its checkpoint.
 * @returns where it came to: `upTo`, or before it where the log has nothing there
 * @throws (rejects) Error for an event that cannot be projected; what comes before it is written
 */
export const fill = async (options: FillOptions, from: Position, upTo: Position): Promise<Position> => {
  const { source, writer, epoch, pace, batchEventsMax = 2_000 } = options;
  const changesOf = changesOfGeneration(options);
  let position = from;
  let events = 0;
  while (position < upTo) {
    await options.onBatch(position, events);
    const batch = await readBatch(source, position, Math.min(batchEventsMax, pace.batchMax));
    const within = batch.events.filter((event) => event.position <= upTo);
    const { changes, reached, failure } = changesOf(within);
    const isEnd = within.length < batch.events.length || !batch.isFull;
    const next = failure === undefined && isEnd ? upTo : (reached ?? position);
    if (next > position) await writer.apply(changes, { position: next, epoch });
    if (failure !== undefined) throw failure;
    events += within.length;
    position = next;
    await pace.after(within.length);
    await nextTurn();
  }
  await options.onBatch(position, events);
  return position;
};

/** Of the views that are copied the rows hold everything up to where they were copied from. */
const changesOfGeneration = ({ generation, project }: Pick<FillOptions, "generation" | "project">) => {
  const named = new Set<ViewName>(viewsOfNames(generation.names));
  return (events: readonly RecordedEvent[]) => {
    const split = events.findIndex(({ position }) => position > generation.forkedAt);
    const before = projectBatch(split === -1 ? events : events.slice(0, split), project);
    const after = projectBatch(split === -1 || before.failure !== undefined ? [] : events.slice(split), project);
    const changes: readonly ViewChange[] = [...before.changes.filter(({ view }) => named.has(view)), ...after.changes];
    const reached = after.position ?? before.position;
    return { changes, reached, failure: (before.failure ?? after.failure)?.error };
  };
};
