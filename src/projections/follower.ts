import { asError } from "../domain/kernel/errors.js";
import type { Position, RecordedEvent } from "../domain/kernel/stream.js";
import type { EventSource } from "./ports.js";
import { projectBatch, type ProjectionFailure } from "./runner.js";
import type { ViewChange } from "./view-change.js";
import { whileAway } from "./while-away.js";

export type FollowerOptions = {
  readonly source: Pick<EventSource, "subscribe">;
  /** Events after it are looked at. */
  readonly from: Position;
  readonly isMine: (recorded: RecordedEvent) => boolean;
  /** Repeated while it rejects because the store is away. */
  readonly write: (changes: readonly ViewChange[]) => Promise<void>;
  /** Everything of mine up to the position is written; repeated like `write`. */
  readonly reached: (position: Position) => Promise<void>;
  readonly onAway: (error: unknown) => void;
  /** Called once; the follower has stopped, and nothing after the failure is written. */
  readonly onFailure: (failure: ProjectionFailure) => void;
};

export type Follower = {
  /** Resolves when what is under way is written or given up; nothing is written after that. */
  readonly stop: () => Promise<void>;
};

/**
 * Keeps views by following the log's subscription, where the log is another process: what comes while a batch is being
 * written is the next batch. The embedded views read the log's file instead (runner.ts).
 */
export const startFollower = (options: FollowerOptions): Follower => {
  const { source, isMine, onFailure } = options;
  let stopped = false;
  let underWay: Promise<void> = Promise.resolve();
  const isStopped = (): boolean => stopped;

  const fail = (failure: ProjectionFailure): void => {
    if (stopped) return;
    stopped = true;
    subscription.stop();
    onFailure(failure);
  };

  const work = async (events: readonly RecordedEvent[]): Promise<void> => {
    const last = events.at(-1);
    if (last === undefined || stopped) return;
    const { changes, position, failure } = projectBatch(events.filter(isMine));
    const upTo = failure === undefined ? last.position : position;
    try {
      if (changes.length > 0) await whileAway(() => options.write(changes), isStopped, options.onAway);
      if (upTo !== undefined) await whileAway(() => options.reached(upTo), isStopped, options.onAway);
    } catch (error) {
      fail({ error: asError(error) });
      return;
    }
    if (failure !== undefined) fail(failure);
  };

  const subscription = source.subscribe(options.from, {
    onEvents: (events) => (underWay = work(events)),
    onFailure: (error) => {
      fail({ error });
    },
  });
  return {
    stop: async () => {
      stopped = true;
      subscription.stop();
      await underWay;
    },
  };
};
