import { createBatchedLookup } from "../../lib/batched-lookup.js";
import type { OpenContent } from "../ports/open-content.js";
import type { ViewReads } from "../ports/view-store.js";

/** Different authors who may be asked about at once: those of all pages that are being made. */
const authorsWaitingMax = 100_000;

/**
 * Opens what people wrote, but nothing of an erased one's: also what was never sealed, of which the log holds the text and
 * no key could be destroyed (ADR 28). What is sealed ends with its key, and is not asked about.
 */
export const closedForErased = (open: OpenContent, reads: Pick<ViewReads, "erasedAmong">): OpenContent => {
  const erased = createBatchedLookup(
    async (userIds) => new Map((await reads.erasedAmong(userIds)).map((userId) => [userId, true])),
    authorsWaitingMax,
  );
  return async (context, sealed, author) => {
    if (sealed.alg === "none" && author !== undefined && (await erased.ask(author)) === true) return null;
    return open(context, sealed, author);
  };
};
