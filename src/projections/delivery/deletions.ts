import { decodeConversationEvent } from "../../domain/catalogue.js";
import { streamOf, type RecordedEvent, type Revision } from "../../domain/kernel/stream.js";
import type { EventSource } from "../ports.js";

/** Messages that are deleted by now, with the times of their deletions. */
export type Deletions = ReadonlyMap<string, number>;

const note = (deletions: Map<string, number>, events: readonly RecordedEvent[]): void => {
  for (const recorded of events) {
    if (recorded.type !== "MessageDeleted") continue;
    const event = decodeConversationEvent(recorded);
    if (event.type === "MessageDeleted") deletions.set(event.messageId, event.at);
  }
};

/** What is deleted within a batch: a message and its deletion may have been written together. */
export const deletionsIn = (events: readonly RecordedEvent[]): Deletions => {
  const deletions = new Map<string, number>();
  note(deletions, events);
  return deletions;
};

const pageSize = 500;

/**
 * What was deleted in a conversation after a revision, as the log says it at the moment of the call. The log and not the
 * view of messages, because it never lags. Each caller reads a revision once, however often it asks.
 */
export const deletionsAfter = (
  source: Pick<EventSource, "readStream">,
  conversationId: string,
): ((revision: Revision) => Promise<Deletions>) => {
  const deletions = new Map<string, number>();
  let readTo = -1;
  return async (revision) => {
    for (;;) {
      const from = Math.max(readTo, revision) + 1;
      const page = await source.readStream(streamOf.conversation(conversationId), from, pageSize);
      note(deletions, page);
      readTo = from + page.length - 1;
      if (page.length < pageSize) return deletions;
    }
  };
};
