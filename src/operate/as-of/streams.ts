import { streamId, type Position, type RecordedEvent, type StreamName } from "../../domain/kernel/stream.js";
import { streamPages } from "../../domain/kernel/stream-pages.js";
import type { ConversationId, MessageId, UserId } from "../../domain/kernel/ids.js";
import { decodeConversationEvent } from "../../domain/catalogue.js";
import { noPosition } from "../../domain/kernel/stream.js";
import { pagesOf } from "../pages.js";
import type { LogToRead } from "../target.js";

export type OnProgress = (done: number, of: number) => void;

/** Several streams in the log's order, with a page of each in memory. */
export async function* pagesInOrder(
  log: Pick<LogToRead, "readStream">,
  streams: readonly StreamName[],
  upTo: Position,
): AsyncGenerator<readonly RecordedEvent[]> {
  const sources = streams.map((stream) => ({
    pages: streamPages(log, stream, { upTo }),
    waiting: [] as RecordedEvent[],
  }));
  const open = new Set(sources);
  for (;;) {
    for (const source of [...open]) {
      if (source.waiting.length > 0) continue;
      const page = await source.pages.next();
      if (page.done === true) open.delete(source);
      else source.waiting = [...page.value];
    }
    // Up to where every stream that goes on is known.
    const known = Math.min(...[...open].map(({ waiting }) => waiting.at(-1)?.position ?? 0));
    const ready = sources.flatMap((source) => {
      const taken = source.waiting.filter(({ position }) => position <= known);
      source.waiting = source.waiting.slice(taken.length);
      return taken;
    });
    if (ready.length > 0) yield ready.toSorted((a, b) => a.position - b.position);
    if (open.size === 0) return;
  }
}

/**
 * The conversations that a user had joined by then. No stream of a user's says so: one walk through the log up to there,
 * which decodes only what names them (ADR 24).
 */
export const conversationsOf = async (
  log: LogToRead,
  userId: UserId,
  upTo: Position,
  onProgress: OnProgress,
): Promise<readonly ConversationId[]> => {
  const found = new Set<ConversationId>();
  const named = JSON.stringify(userId);
  for await (const page of pagesOf(log, noPosition, upTo)) {
    for (const recorded of page) {
      if (recorded.type !== "MemberJoined" || !recorded.data.includes(named)) continue;
      const event = decodeConversationEvent(recorded);
      if (event.type === "MemberJoined" && event.members.some((member) => member.userId === userId))
        found.add(streamId(recorded.stream));
    }
    onProgress(page.at(-1)?.position ?? upTo, upTo);
  }
  return [...found];
};

/** Where a message was sent, by its id alone: one walk through the log. */
export const conversationOfMessage = async (
  log: LogToRead,
  messageId: MessageId,
  upTo: Position,
  onProgress: OnProgress,
): Promise<ConversationId | undefined> => {
  const named = JSON.stringify(messageId);
  for await (const page of pagesOf(log, noPosition, upTo)) {
    for (const recorded of page) {
      if (recorded.type !== "MessageSent" || !recorded.data.includes(named)) continue;
      const event = decodeConversationEvent(recorded);
      if (event.type === "MessageSent" && event.messageId === messageId) return streamId(recorded.stream);
    }
    onProgress(page.at(-1)?.position ?? upTo, upTo);
  }
  return undefined;
};
