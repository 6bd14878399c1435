/**
 * Subscriptions to a log whose positions are dense. One rule makes past and live meet without a gap: a subscription
 * knows the position it has handed over, the feed knows the head, and whatever lies between is taken from memory if
 * memory holds the very next event, else read from the log.
 */
import { LogError, type Subscriber, type Subscription } from "../../../commands/ports.js";
import type { Position, RecordedEvent } from "../../../domain/kernel/stream.js";
import { asError } from "../../../lib/errors.js";
import { backoffMs, retried } from "../../../lib/retry.js";
import { pause } from "../../../lib/time.js";

/** At most `count` events after a position that is below the head; never none. */
export type ReadPage = (after: Position, count: number) => Promise<readonly RecordedEvent[]>;

export type Feed = {
  readonly head: () => Position;
  /** Whether a subscriber listens: if none does, `advance` needs no events. */
  readonly active: () => boolean;
  /**
   * The log has grown to `head`. `events` are those since the last call, or none where the reader shall read them.
   * A subscriber who has caught up and is not busy is called before this returns.
   */
  readonly advance: (head: Position, events: readonly RecordedEvent[]) => void;
  readonly subscribe: (from: Position | "head", subscriber: Subscriber) => Subscription;
  /** Ends all subscriptions; with an error, their subscribers hear of it. */
  readonly end: (error?: Error) => void;
};

/** Large enough that a page's fixed costs vanish, small enough that a page of the largest events (64 KiB) is 32 MiB. */
const pageEventsMax = 512;
/** What waits in memory for one busy subscriber; beyond that it is dropped and read again. */
const backlogEventsMax = 4096;
const backlogCharsMax = 8 * 1024 * 1024;

/** A page that the log cannot give now is asked for again, half a minute long: so many times after the first. */
const repetitionsMax = 36;
const untilRead = { msMin: 20, msMax: 1_000, steady: 0.5 };

type Rest = (ms: number) => Promise<void>;
type RetriedRead = (after: Position, isEnded: () => boolean) => Promise<readonly RecordedEvent[]>;
type Follower = { readonly offer: (events: readonly RecordedEvent[]) => void; readonly end: (error?: Error) => void };

export const createFeed = (start: Position, readPage: ReadPage, rest: Rest = realRest): Feed => {
  let head = start;
  let ended: { readonly error: Error | undefined } | undefined;
  const followers = new Set<Follower>();
  return {
    head: () => head,
    active: () => followers.size > 0,
    advance: (next, events) => {
      head = next;
      for (const follower of [...followers]) follower.offer(events);
    },
    subscribe: (from, subscriber) => {
      const follower = follow(
        from === "head" ? head : from,
        () => head,
        retrying(readPage, rest),
        subscriber,
        () => {
          followers.delete(follower);
        },
      );
      followers.add(follower);
      if (ended === undefined) follower.offer([]);
      else follower.end(ended.error);
      return {
        stop: () => {
          follower.end();
        },
      };
    },
    end: (error) => {
      ended ??= { error };
      for (const follower of [...followers]) follower.end(error);
    },
  };
};

/** So asked, the page of a log that is busy comes late rather than never. */
const retrying =
  (readPage: ReadPage, rest: Rest): RetriedRead =>
  (after, isEnded) => {
    const failed = (error: unknown, failures: number): number => {
      const isAway = error instanceof LogError && error.code === "UNAVAILABLE";
      if (!isAway || isEnded() || failures >= repetitionsMax) throw error;
      return backoffMs(failures, untilRead);
    };
    return retried(() => readPage(after, pageEventsMax), failed, rest);
  };

/** Keeps no process alive that has nothing else to do. */
const realRest: Rest = (ms) => pause(ms, { unref: true });

const follow = (
  start: Position,
  head: () => Position,
  readPage: RetriedRead,
  subscriber: Subscriber,
  onEnd: () => void,
): Follower => {
  const backlog = createBacklog();
  let position = start;
  let busy = false;
  let ended = false;

  const end = (error?: Error): void => {
    if (ended) return;
    ended = true;
    backlog.clear();
    onEnd();
    if (error !== undefined) subscriber.onFailure(error);
  };
  const handOver = (events: readonly RecordedEvent[]): void | Promise<void> => {
    position = events.at(-1)?.position ?? position;
    return subscriber.onEvents(events);
  };
  /** Until the subscriber has what the feed has. */
  const catchUp = async (): Promise<void> => {
    while (!isEnded() && position < head()) {
      const events = backlog.after(position) ?? (await readPage(position, isEnded));
      if (isEnded()) return;
      if (events.length === 0)
        throw new Error(`the log has nothing after position ${position} though its head is ${head()}`);
      const waits = handOver(events);
      if (waits !== undefined) await waits;
    }
  };
  const isEnded = (): boolean => ended;
  const run = (first: Promise<void> | undefined): void => {
    busy = true;
    (first === undefined ? catchUp() : first.then(catchUp)).then(
      () => {
        busy = false;
        // What arrived between the end of the loop and this tick.
        if (!ended && position < head()) run(undefined);
      },
      (error: unknown) => {
        end(asError(error));
      },
    );
  };

  return {
    offer: (events) => {
      if (ended) return;
      if (busy) {
        backlog.add(events);
      } else if (events[0]?.position === position + 1) {
        busy = true;
        try {
          const waits = handOver(events);
          busy = false;
          if (waits !== undefined) run(waits);
        } catch (error) {
          end(asError(error));
        }
      } else if (position < head()) {
        run(undefined);
      }
    },
    end,
  };
};

/** A run of consecutive events that ends at the newest; forgotten when it grows beyond the bounds. */
const createBacklog = () => {
  let events: RecordedEvent[] = [];
  let chars = 0;
  const clear = (): void => {
    events = [];
    chars = 0;
  };
  return {
    clear,
    add: (added: readonly RecordedEvent[]): void => {
      for (const event of added) {
        // What is left from before was read as a page meanwhile: with events in between it would be no run.
        const follows = events.length === 0 || events.at(-1)?.position === event.position - 1;
        if (!follows || events.length >= backlogEventsMax || chars >= backlogCharsMax) clear();
        events.push(event);
        chars += event.data.length + event.meta.length;
      }
    },
    /** What follows a position, if the very next event is here. */
    after: (position: Position): readonly RecordedEvent[] | undefined => {
      const first = events[0]?.position;
      if (first === undefined || first > position + 1) return undefined;
      const next = events.slice(position + 1 - first);
      clear();
      return next.length === 0 ? undefined : next;
    },
  };
};
