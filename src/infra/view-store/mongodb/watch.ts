import { asError } from "../../../lib/errors.js";
import { laterOf, noPosition, type Position } from "../../../domain/kernel/stream.js";
import type { MongoViews } from "./view-store.js";
import { stillBuilding } from "../still-building.js";

/** Views that projectors keep elsewhere, as a process sees them that reads them. */
export type WatchedViews = Pick<MongoViews, "store" | "awaitCaughtUp" | "reached" | "opened"> & {
  /** Why they are not to be read now. */
  readonly problem: () => string | undefined;
  readonly stop: () => void;
};

export type WatchOptions = {
  readonly views: Pick<MongoViews, "store" | "awaitCaughtUp" | "reached" | "opened">;
  readonly head: () => Promise<Position>;
  /** A look that failed; nothing is concluded from it. */
  readonly onProblem: (error: Error) => void;
  readonly everyMs?: number;
};

/** One small read of each engine; a second is what `/readyz` may be behind. */
const lookEveryMs = 1_000;
/**
 * Looks that see the same checkpoint behind the log before the views count as standing still. Projectors take over
 * within three seconds, and a large batch may take as long: ten are beyond what goes on by itself.
 */
export const looksMax = 10;

/**
 * Looks at how far the views are, and whether they move: nothing else would tell a gateway that no projector works on
 * them, or that one stands at an event that it cannot read. Looks are counted and not time, so that a process that
 * stood still itself concludes nothing. Resolves after the first look.
 */
export const watchViews = async (options: WatchOptions): Promise<WatchedViews> => {
  const { views, head, onProblem, everyMs = lookEveryMs } = options;
  const { opened } = views;
  /** `end`: of the log, when the checkpoint was first seen at `position`. */
  let seen: { readonly position: Position; readonly end: Position; readonly looks: number } | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const look = async (): Promise<void> => {
    try {
      const [end, checkpoint] = await Promise.all([head(), views.store.checkpoint()]);
      const position = checkpoint?.position ?? noPosition;
      const isStill = seen !== undefined && position <= seen.position && seen.position < seen.end;
      seen = isStill && seen !== undefined ? { ...seen, looks: seen.looks + 1 } : { position, end, looks: 0 };
    } catch (error) {
      onProblem(asError(error));
    }
    if (!stopped) timer = setTimeout(() => void look(), everyMs);
  };
  const standing = (): string | undefined =>
    seen === undefined || seen.looks < looksMax || views.reached() > seen.position
      ? undefined
      : `they stand still at ${seen.position}, though the log goes on: no projector works on them, or one cannot`;

  await look();
  return {
    store: views.store,
    reached: views.reached,
    opened,
    awaitCaughtUp: views.awaitCaughtUp,
    // A reader who has waited knows before the next look.
    problem: () => stillBuilding(laterOf(seen?.position ?? noPosition, views.reached()), opened) ?? standing(),
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
};
