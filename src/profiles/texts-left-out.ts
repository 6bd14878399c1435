import type { Logger } from "../gateway/ports.js";
import type { OpenContent } from "../projections/ports/open-content.js";

/**
 * For answers to changes that are in the log already: a 503 would say that nothing was written. A text whose key cannot
 * be had now is left out, as one whose key is gone; the first of a row is told.
 */
export const leavingTextsOut = (open: OpenContent, logger: Pick<Logger, "warn">): OpenContent => {
  let isTold = false;
  return async (context, sealed, author) => {
    try {
      const opened = await open(context, sealed, author);
      isTold = false;
      return opened;
    } catch (error) {
      if (!isTold)
        logger.warn({ err: error }, "a key cannot be had now: what was changed is answered without some of its texts");
      isTold = true;
      return null;
    }
  };
};
