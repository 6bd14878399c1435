import type { Position, RecordedEvent } from "../domain/kernel/stream.js";
import type { EventSource } from "./ports/event-source.js";
import { projectBatch, type ProjectionFailure } from "./runner.js";
import type { ViewChange } from "./view-change.js";
import { untilDone, type OnProblem } from "./keep-trying.js";

export type FollowerOptions = {
  readonly source: Pick<EventSource, "subscribe">;
  /** Events after it are looked at. */
  readonly from: Position;
  readonly isMine: (recorded: RecordedEvent) => boolean;
  /** Repeated for as long as it rejects, whatever with. */
  readonly write: (changes: readonly ViewChange[]) => Promise<void>;
  /** Everything of mine up to the position is written; repeated like `write`. */
  readonly reached: (position: Position) => Promise<void>;
  readonly onProblem: OnProblem;
  /** Called at most once: the log's subscription has ended by itself, and nothing more comes. */
  readonly onEnded: (error: Error) => void;
  /** Called at most once: an event cannot be read. The follower has stopped, and nothing after it is written. */
  readonly onFailure: (failure: ProjectionFailure) => void;
};

export type Follower = {
  /** Resolves when what is under way is written or given up; nothing is written after that. */
  readonly stop: () => Promise<void>;
};

type Subscription = ReturnType<EventSource["subscribe"]>;

/**
 * Keeps views by following the log's subscription, where the log is another process: what comes while a batch is being
 * written is the next batch. The embedded views read the log's file instead (runner.ts).
 */
export const startFollower = (options: FollowerOptions): Follower => {
  const { source, isMine, onProblem, onFailure } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const isStopped = (): boolean => signal.aborted;
  let underWay: Promise<void> = Promise.resolve();
  let subscription: Subscription | undefined = undefined;
  const end = (): void => {
    stopping.abort();
    subscription?.stop();
  };

  const work = async (events: readonly RecordedEvent[]): Promise<void> => {
    const last = events.at(-1);
    if (last === undefined || isStopped()) return;
    const { changes, position, failure } = projectBatch(events.filter(isMine));
    const upTo = failure === undefined ? last.position : position;
    try {
      if (changes.length > 0) await untilDone(() => options.write(changes), signal, onProblem);
      if (upTo !== undefined) await untilDone(() => options.reached(upTo), signal, onProblem);
    } catch {
      // Only once it is stopped: what was not written is left to the projector that goes on.
      return;
    }
    if (failure === undefined || isStopped()) return;
    end();
    onFailure(failure);
  };

  subscription = source.subscribe(options.from, {
    onEvents: (events) => (underWay = work(events)),
    onFailure: (error) => {
      if (isStopped()) return;
      end();
      options.onEnded(error);
    },
  });
  return {
    stop: async () => {
      end();
      await underWay;
    },
  };
};
