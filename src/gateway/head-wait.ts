import type { Either } from "../domain/kernel/fp.js";
import type { Position } from "../domain/kernel/stream.js";

/**
 * Brings a read up to the log's head as long as the views keep up: what came to a device as a frame a moment ago is in its
 * next read. A courtesy, which nobody is promised, and which never holds up a read for longer than `msMax`. Resolves in
 * any case; rejects when the log or the views cannot be asked.
 */
export const createHeadWait = (
  head: () => Promise<Position>,
  awaitCaughtUp: (position: Position) => Promise<Either<unknown, undefined>>,
  msMax: number,
): (() => Promise<void>) => {
  /** One read has waited in vain: until its wait has ended the views are known to lag, and no other begins one. */
  let lagging = false;
  return async () => {
    if (lagging) return;
    const reached = awaitCaughtUp(await head());
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        lagging = true;
        const known = () => {
          lagging = false;
        };
        reached.then(known, known);
        resolve();
      }, msMax);
    });
    try {
      await Promise.race([reached, tooLong]);
    } finally {
      clearTimeout(timer);
    }
  };
};
