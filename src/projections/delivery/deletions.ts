import { decodeConversationEvent } from "../../domain/catalogue.js";
import type { ConversationId, MessageId } from "../../domain/kernel/ids.js";
import {
  laterOf,
  noRevision,
  revisionAfter,
  streamOf,
  type RecordedEvent,
  type Revision,
} from "../../domain/kernel/stream.js";
import type { EventSource } from "../ports/event-source.js";

/** Messages that are deleted by now, with the times of their deletions. */
export type Deletions = ReadonlyMap<MessageId, number>;

const note = (deletions: Map<MessageId, number>, events: readonly RecordedEvent[]): void => {
  for (const recorded of events) {
    if (recorded.type !== "MessageDeleted") continue;
    const event = readable(recorded);
    if (event?.type === "MessageDeleted") deletions.set(event.messageId, event.at);
  }
};

/** One that cannot be read is told of where it is delivered itself. */
const readable = (recorded: RecordedEvent): ReturnType<typeof decodeConversationEvent> | undefined => {
  try {
    return decodeConversationEvent(recorded);
  } catch {
    return undefined;
  }
};

/** What is deleted within a batch: a message and its deletion may have been written together. */
export const deletionsIn = (events: readonly RecordedEvent[]): Deletions => {
  const deletions = new Map<MessageId, number>();
  note(deletions, events);
  return deletions;
};

const pageSize = 500;

/**
 * What the log said so shortly ago is not asked again: where many events of a conversation wait, a read for each would be
 * what they wait for. A deletion that comes within this time of its message's frame is told right after it.
 */
const freshMs = 100;

/**
 * What was deleted in a conversation after a revision, as the log says it at the moment of the call or just before. The log and not the
 * view of messages, because it never lags. Each caller reads a revision once, however often it asks.
 */
export const deletionsAfter = (
  source: Pick<EventSource, "readStream">,
  conversationId: ConversationId,
): ((revision: Revision) => Promise<Deletions>) => {
  const deletions = new Map<MessageId, number>();
  let readTo = noRevision;
  let readAt = -Infinity;
  return async (revision) => {
    if (readTo >= revision && performance.now() - readAt < freshMs) return deletions;
    const askedAt = performance.now();
    for (;;) {
      const from = revisionAfter(laterOf(readTo, revision));
      const page = await source.readStream(streamOf.conversation(conversationId), from, pageSize);
      note(deletions, page);
      readTo = revisionAfter(from, page.length - 1);
      if (page.length < pageSize) {
        readAt = askedAt;
        return deletions;
      }
    }
  };
};
