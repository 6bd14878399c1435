import type { Either } from "../../domain/kernel/fp.js";
import type { Position } from "../../domain/kernel/stream.js";
import { within } from "../../lib/time.js";

/**
 * Brings a read up to the log's head as long as the views keep up: what came to a device as a frame a moment ago is in its
 * next read. A courtesy, which no reader is promised: it never holds up a read for longer than `msMax`, a log that
 * stands still included, and refuses none. Resolves in any case.
 */
export const createHeadWait = (
  head: () => Promise<Position>,
  awaitCaughtUp: (position: Position) => Promise<Either<unknown, undefined>>,
  msMax: number,
): (() => Promise<void>) => {
  /** One read has waited in vain: until its wait has ended no other begins one. The log or the views are known to lag. */
  let lagging = false;
  return async () => {
    if (lagging) return;
    // Where the log cannot be asked the views are read as they are: they need it for nothing.
    const reached = head()
      .then(awaitCaughtUp)
      .catch(() => undefined);
    await within(reached, msMax, () => {
      lagging = true;
      void reached.then(() => {
        lagging = false;
      });
    });
  };
};
