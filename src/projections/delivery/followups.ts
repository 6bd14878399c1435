import { laterOf, noPosition, type Position } from "../../domain/kernel/stream.js";
import { E, type Either } from "../../domain/kernel/fp.js";
import type { Bus } from "../ports/bus.js";
import type { ViewReads } from "../ports/view-store.js";

/** What is told after the views, since only they have its numbers: `inbox.update` and `receipt.rollup`. */
export type FollowUpDependencies<Read extends keyof ViewReads> = {
  readonly bus: Bus;
  readonly reads: Pick<ViewReads, Read>;
  /** Resolves when the views hold everything up to the position, to a refusal when they do not in time. Never rejects. */
  readonly awaitCaughtUp: (position: Position) => Promise<Either<unknown, undefined>>;
  readonly onFailure: (error: Error) => void;
  /** So many are not told: a device learns its numbers from the next change or from any sync. */
  readonly onLost: (count: number, reason: LostReason) => void;
};

/** `crowded`: others waited longer than there is room. `views behind`: they did not come in time. `failed`: `onFailure` says why. */
export type LostReason = "crowded" | "views behind" | "failed";

/** What waits for its turn, of each kind. Beyond it the oldest is given up. */
export const waitingMax = 10_000;
/** Reads of the views at once, of each kind: enough to keep a store busy beside the readers that wait for theirs. */
export const readsAtOnceMax = 8;

/** What waits, the newest of each key, oldest first. */
export type Waiting<A> = {
  readonly get: (key: string) => A | undefined;
  readonly put: (key: string, item: A) => void;
  readonly takeAll: () => readonly A[];
  readonly isEmpty: () => boolean;
  readonly clear: () => void;
};

export const createWaiting = <A>(onCrowded: () => void): Waiting<A> => {
  const waiting = new Map<string, A>();
  return {
    get: (key) => waiting.get(key),
    put: (key, item) => {
      waiting.delete(key);
      waiting.set(key, item);
      const oldest = waiting.size > waitingMax ? waiting.keys().next().value : undefined;
      if (oldest === undefined) return;
      waiting.delete(oldest);
      onCrowded();
    },
    takeAll: () => {
      const all = [...waiting.values()];
      waiting.clear();
      return all;
    },
    isEmpty: () => waiting.size === 0,
    clear: () => {
      waiting.clear();
    },
  };
};

/** One wait for all: what the views hold up to the highest of the positions, they hold of each. */
export const allVisible = async (
  { awaitCaughtUp, onLost }: Pick<FollowUpDependencies<never>, "awaitCaughtUp" | "onLost">,
  all: readonly { readonly position: Position }[],
): Promise<boolean> => {
  let highest = noPosition;
  for (const { position } of all) highest = laterOf(highest, position);
  if (E.isRight(await awaitCaughtUp(highest))) return true;
  onLost(all.length, "views behind");
  return false;
};
