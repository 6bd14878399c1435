/** What `parley-tree` says: the newest head, the key in force, heads of a size. */
import type { EventLog } from "../../commands/ports.js";
import { decodeEvent } from "../../domain/catalogue.js";
import { noRevision, revisionAfter, streamOf, type RecordedEvent } from "../../domain/kernel/stream.js";
import type { TreeEvent, TreeHeadSigned, TreeKeyAdded } from "../../domain/tree.events.js";

const pageEvents = 500;

/** The newest first. @throws UnreadableEvent */
export async function* treeEventsBackwards(
  log: Pick<EventLog, "readStream">,
): AsyncGenerator<{ readonly recorded: RecordedEvent; readonly event: TreeEvent }> {
  let from = noRevision;
  for (;;) {
    const page = await log.readStream(streamOf.tree, from, pageEvents, "backwards");
    for (const recorded of page) yield { recorded, event: decodeEvent(recorded) as TreeEvent };
    const last = page.at(-1);
    if (page.length < pageEvents || last === undefined || last.revision === 0) return;
    from = revisionAfter(last.revision, -1);
  }
}

export type FoundHead = { readonly head: TreeHeadSigned; readonly position: number };

/** The newest head; of `size` leaves where that is asked for. */
export const findHead = async (log: Pick<EventLog, "readStream">, size?: number): Promise<FoundHead | undefined> => {
  for await (const { recorded, event } of treeEventsBackwards(log)) {
    if (event.type !== "TreeHeadSigned") continue;
    if (size === undefined || event.size === size) return { head: event, position: recorded.position };
    if (event.size < size) return undefined;
  }
  return undefined;
};

/** The event that named a key. */
export const findKey = async (log: Pick<EventLog, "readStream">, keyId: string): Promise<TreeKeyAdded | undefined> => {
  for await (const { event } of treeEventsBackwards(log))
    if (event.type === "TreeKeyAdded" && event.keyId === keyId) return event;
  return undefined;
};
