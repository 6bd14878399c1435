import { setImmediate as nextTurn } from "node:timers/promises";
import { decodeEvent } from "../domain/catalogue.js";
import { laterOf, noPosition, type Position, type RecordedEvent } from "../domain/kernel/stream.js";
import { pause } from "../lib/time.js";
import type { EventSource } from "./ports/event-source.js";
import type { Checkpoint, ViewStore } from "./ports/view-store.js";
import { readBatch } from "./read-batch.js";
import { project } from "./registry.js";
import type { ViewChange } from "./view-change.js";
import { untilDone, type OnProblem } from "./keep-trying.js";

export type RunnerOptions = {
  readonly source: Pick<EventSource, "readAll">;
  /** May be synchronous: a store in the same thread needs no promise. */
  readonly apply: (...args: Parameters<ViewStore["apply"]>) => void | Promise<void>;
  readonly from: Checkpoint;
  /** Called after each batch, when its changes and checkpoint are written. */
  readonly onCheckpoint: (checkpoint: Checkpoint) => void;
  /** The log could not be read, or the store not written; it is tried again, without end. */
  readonly onProblem: OnProblem;
  /** Called once. The runner has stopped, and the store's checkpoint is before what could not be projected. */
  readonly onFailure: (failure: ProjectionFailure) => void;
  /**
   * Events a batch, and fewer where they are large (`readBatch`): what a reader of the same thread may have to wait for is
   * about 10 µs for each.
   */
  readonly batchEventsMax?: number;
  /**
   * Shortest time from the start of a batch that was not full to the next one's while no reader waits: a batch writes
   * each page that it touched once, so fuller ones cost less an event. 250 ms rather than 100 save a sixth of the views'
   * CPU (100 conversations). A full one gains nothing by waiting, and the lag would grow without bound above
   * `batchEventsMax` events each `batchIntervalMs`: the next batch follows at once.
   */
  readonly batchIntervalMs?: number;
};

/** The only writer of views. Everything it does may be repeated; nothing is skipped. */
export type Runner = {
  /** The log has more. Cheap, and harmless when it has not. */
  readonly wake: () => void;
  /** A reader waits for the position: until it is reached there are no pauses. */
  readonly hurry: (position: Position) => void;
  readonly checkpoint: () => Checkpoint;
  /** Resolves when the batch under way is written; nothing is written after that. */
  readonly stop: () => Promise<void>;
};

/** Which event cannot be read. Nothing else stops a projection. */
export type ProjectionFailure = {
  readonly event: Pick<RecordedEvent, "type" | "stream" | "revision" | "position">;
  readonly error: Error;
};

/** Starts after `from`, and follows the log for as long as it is woken. */
export const startRunner = (options: RunnerOptions): Runner => {
  const { batchEventsMax = 2000, batchIntervalMs = 250 } = options;
  const state: State = { checkpoint: options.from, wanted: noPosition, more: false, stopping: new AbortController() };
  const { signal } = state.stopping;
  const isStopped = (): boolean => signal.aborted;
  const { rest, end: endRest } = createRest();
  /** Before it no batch begins, unless a reader waits. */
  let restUntil = -Infinity;
  let following: Promise<void> | undefined;

  const follow = async (): Promise<void> => {
    while (state.more && !isStopped()) {
      const hurried = state.wanted > state.checkpoint.position;
      await rest(hurried ? 0 : restUntil - performance.now());
      state.more = false;
      restUntil = performance.now() + batchIntervalMs;
      const isFull = await untilDone(() => step(options, state, batchEventsMax), signal, options.onProblem);
      if (isFull) {
        state.more = true;
        restUntil = -Infinity;
      }
      // A short page and no wake since: this is the head. A reader that waits for something beyond it waits for a wake.
      if (!state.more) state.wanted = noPosition;
    }
  };
  const wake = (): void => {
    state.more = true;
    following ??= follow()
      // Only once it is stopped: what was not written then is written by the next one.
      .catch(() => undefined)
      .finally(() => {
        following = undefined;
        if (state.more && !isStopped()) wake();
      });
  };

  return {
    wake,
    hurry: (position) => {
      if (position <= state.checkpoint.position) return;
      state.wanted = laterOf(state.wanted, position);
      wake();
      endRest();
    },
    checkpoint: () => state.checkpoint,
    stop: async () => {
      state.stopping.abort();
      endRest();
      await following;
    },
  };
};

type State = {
  checkpoint: Checkpoint;
  /** The newest position that a reader waits for. */
  wanted: Position;
  /** The log may have more than was read. */
  more: boolean;
  readonly stopping: AbortController;
};

const fail = (options: RunnerOptions, state: State, failure: ProjectionFailure): void => {
  state.stopping.abort();
  options.onFailure(failure);
};

/** One batch. @returns whether the log may have more */
const step = async (options: RunnerOptions, state: State, batchEventsMax: number): Promise<boolean> => {
  const { events, isFull } = await readBatch(options.source, state.checkpoint.position, batchEventsMax);
  if (state.stopping.signal.aborted) return false;
  const { changes, position, failure } = projectBatch(events);
  if (position !== undefined) {
    const next = { position, epoch: state.checkpoint.epoch };
    await options.apply(changes, next);
    state.checkpoint = next;
    options.onCheckpoint(next);
  }
  if (failure !== undefined) fail(options, state, failure);
  return isFull;
};

/** Always at least one turn of the event loop: other work of this thread, such as reads, comes between two batches. */
const createRest = () => {
  let ending = new AbortController();
  return {
    rest: async (ms: number): Promise<void> => {
      ending = new AbortController();
      if (ms > 0) await pause(ms, { stopped: ending.signal });
      await nextTurn();
    },
    /** Cuts the rest under way short. */
    end: (): void => {
      ending.abort();
    },
  };
};

/** What an event changes: `project` of the registry, or that of another build. */
export type Project = typeof project;

type Batch = {
  readonly changes: readonly ViewChange[];
  /** Of the last event projected. */
  readonly position: Position | undefined;
  readonly failure: ProjectionFailure | undefined;
};

/** Projects as many of the events as it can: up to the first one that cannot be. */
export const projectBatch = (events: readonly RecordedEvent[], projecting: Project = project): Batch => {
  const changes: ViewChange[] = [];
  let position: Position | undefined;
  for (const recorded of events) {
    try {
      for (const change of projecting(decodeEvent(recorded), recorded)) changes.push(change);
    } catch (cause) {
      const { type, stream, revision } = recorded;
      const reason = cause instanceof Error ? cause.message : String(cause);
      const error = new Error(`${type} at ${stream}@${revision} cannot be projected: ${reason}`, { cause });
      return { changes, position, failure: { event: { type, stream, revision, position: recorded.position }, error } };
    }
    position = recorded.position;
  }
  return { changes, position, failure: undefined };
};
