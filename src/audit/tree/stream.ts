/** `parley-tree` as it is read: from its newest event back. */
import { decodeEvent } from "../../domain/catalogue.js";
import { streamPagesBackwards, type StreamReader } from "../../domain/kernel/stream-pages.js";
import { streamOf, type RecordedEvent } from "../../domain/kernel/stream.js";
import type { TreeEvent } from "../../domain/tree.events.js";

/** The newest first, a page at a time for as long as the caller wants more. @throws UnreadableEvent */
export async function* treeEventsBackwards(
  log: StreamReader,
  pageEvents?: number,
): AsyncGenerator<{ readonly recorded: RecordedEvent; readonly event: TreeEvent }> {
  for await (const page of streamPagesBackwards(log, streamOf.tree, pageEvents))
    for (const recorded of page) yield { recorded, event: decodeEvent(recorded) as TreeEvent };
}
