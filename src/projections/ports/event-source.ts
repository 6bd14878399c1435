import type { Position, RecordedEvent } from "../../domain/kernel/stream.js";
import type { StreamReader } from "../../domain/kernel/stream-pages.js";

/** What projections need of the log: the reading half of the commands' `EventLog`, with the same promises. */
export type EventSource = StreamReader & {
  /** At most `count` events strictly after `from`, oldest first. */
  readonly readAll: (from: Position, count: number) => Promise<readonly RecordedEvent[]>;
  readonly head: () => Promise<Position>;
  /** The next batch comes when `onEvents` has resolved. */
  readonly subscribe: (
    from: Position | "head",
    subscriber: {
      readonly onEvents: (events: readonly RecordedEvent[]) => void | Promise<void>;
      readonly onFailure: (error: Error) => void;
    },
  ) => { readonly stop: () => void };
};
