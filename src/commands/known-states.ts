import { LRUCache } from "lru-cache";
import type { Writable } from "../domain/kernel/writable.js";
import type { Loaded, Route } from "./routes.js";
import type { Snapshots } from "./snapshots.js";
import type { Turn } from "./turns.js";

/**
 * An aggregate in memory. `knownAt`: when it last was what the log has, on the monotonic clock. `turn`: of its last append
 * by this process, where others may overtake it. `weight`: what the cache counts it for. Changed in place by `advance`,
 * and its index by whatever folds events into it.
 */
export type Known<State, Index> = Writable<Loaded<State, Index>> & {
  readonly knownAt: number;
  readonly turn: Turn | undefined;
  readonly weight: number;
};

/** The aggregates of one kind that stay in memory, those that were used last. */
export type KnownStates<State, Index> = {
  readonly get: (id: string) => Known<State, Index> | undefined;
  /** Without a say in which stay. */
  readonly peek: (id: string) => Known<State, Index> | undefined;
  readonly forget: (id: string) => void;
  /** What was read or written the long way. */
  readonly remember: (id: string, next: Loaded<State, Index>, turn: Turn | undefined) => void;
  /**
   * What was written from memory on top of `known`: in place, and weighed anew only when it has grown by a part, since a
   * cache that takes an entry for each message costs more than deciding it. So the cache may hold that part too much.
   */
  readonly advance: (id: string, known: Known<State, Index>, next: Written<State>) => void;
};

type Written<State> = Pick<Loaded<State, unknown>, "state" | "revision" | "eventId">;

/** An eighth: what a bound on memory may be off by. */
const unweighedGrowthMax = 9 / 8;

/** @param bytesMax by what `route` weighs them */
export const createKnownStates = <Command, State, Event, Index>(
  route: Route<Command, State, Event, Index>,
  snapshots: Pick<Snapshots<State, Index>, "keep" | "leave">,
  bytesMax: number,
  isWorkedOn: (id: string) => boolean,
): KnownStates<State, Index> => {
  const states = new LRUCache<string, Known<State, Index> & object>({
    maxSize: bytesMax,
    sizeCalculation: ({ weight }) => weight,
    // What is being worked on may be ahead of what is kept here, its index at least, and is kept again after that.
    dispose: (known, id, reason) => {
      if (reason === "evict" && !isWorkedOn(id)) snapshots.leave(route.stream(id), known);
    },
  });
  return {
    get: (id) => states.get(id),
    peek: (id) => states.peek(id),
    forget: (id) => void states.delete(id),
    remember: (id, next, turn) => {
      // What does not exist is not kept: ids that a client guesses must not drive out conversations that are in use.
      if (next.revision < 0) return;
      // Written out: what is put together by spread has a shape of its own each time, which takes more than it does.
      const { state, index, revision, eventId, snapshotAt } = snapshots.keep(route.stream(id), next);
      const weight = route.weigh({ state, index });
      states.set(id, { state, index, revision, eventId, snapshotAt, knownAt: performance.now(), turn, weight });
    },
    advance: (id, known, { state, revision, eventId }) => {
      known.state = state;
      known.revision = revision;
      known.eventId = eventId;
      known.snapshotAt = snapshots.keep(route.stream(id), known).snapshotAt;
      const weight = route.weigh(known);
      // It may have left while it was being written.
      if (weight <= known.weight * unweighedGrowthMax && states.peek(id) === known) return;
      const { index, snapshotAt, knownAt, turn } = known;
      states.set(id, { state, index, revision, eventId, snapshotAt, knownAt, turn, weight });
    },
  };
};
