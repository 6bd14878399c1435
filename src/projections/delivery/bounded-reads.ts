import pLimit from "p-limit";
import type { EventSource } from "../ports/event-source.js";

/**
 * The same source, of whose streams at most `pagesMax` pages are being read at once. The others wait in the order in which
 * they were asked for: after a restart every conversation is cold, and the log has others to answer.
 */
export const readingAtMost = (source: EventSource, pagesMax: number): EventSource => {
  const limit = atMost(pagesMax);
  return { ...source, readStream: (...asked) => limit(() => source.readStream(...asked)) };
};

/** Runs at most so many works at once; the others wait in the order in which they came. */
export const atMost = (count: number): (<A>(work: () => Promise<A>) => Promise<A>) => pLimit(count);
