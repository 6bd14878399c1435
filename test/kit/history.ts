import { join } from "node:path";
import { decodeEvent, type DomainEvent } from "../../src/domain/catalogue.js";
import type { ConversationEvent } from "../../src/domain/conversation/conversation.events.js";
import { streamId, type RecordedEvent } from "../../src/domain/kernel/stream.js";
import { openSqliteLogReader } from "../../src/infra/event-log/sqlite-reader.js";

/** A conversation as its streams say it, computed the slow and obvious way: what everything else is compared with. */
export type TrueConversation = {
  readonly conversationId: string;
  /** By pos. */
  readonly events: readonly ConversationEvent[];
  readonly readUpTo: ReadonlyMap<string, number>;
};

/** Reads the log of a server that does not run. */
export const readLog = async (dataDir: string): Promise<readonly RecordedEvent[]> => {
  const reader = openSqliteLogReader(join(dataDir, "log.db"));
  try {
    const all: RecordedEvent[] = [];
    for (;;) {
      const page = await reader.readAll(all.at(-1)?.position ?? 0, 5_000);
      all.push(...page);
      if (page.length === 0) return all;
    }
  } finally {
    reader.close();
  }
};

export const conversationsIn = (log: readonly RecordedEvent[]): ReadonlyMap<string, TrueConversation> => {
  const found = new Map<
    string,
    { conversationId: string; events: ConversationEvent[]; readUpTo: Map<string, number> }
  >();
  const of = (conversationId: string) => {
    const known = found.get(conversationId) ?? { conversationId, events: [], readUpTo: new Map<string, number>() };
    found.set(conversationId, known);
    return known;
  };
  for (const recorded of log) {
    const event: DomainEvent = decodeEvent(recorded);
    const conversation = of(streamId(recorded.stream));
    if (recorded.stream.startsWith("conversation-")) {
      if (recorded.revision !== conversation.events.length)
        throw new Error(`a gap in ${recorded.stream} at ${recorded.revision}`);
      conversation.events.push(event as ConversationEvent);
    } else if (event.type === "ReceiptsAdvanced") {
      for (const { userId, readUpTo = 0 } of event.cursors)
        conversation.readUpTo.set(userId, Math.max(conversation.readUpTo.get(userId) ?? 0, readUpTo));
    } else {
      found.delete(conversation.conversationId);
    }
  }
  return found;
};

export const messagesOf = ({ events }: TrueConversation) => events.filter((event) => event.type === "MessageSent");

/** DESIGN §4's definition, for somebody who was a member all the time. */
export const unreadIn = (conversation: TrueConversation, userId: string): number => {
  const readUpTo = conversation.readUpTo.get(userId) ?? 0;
  return messagesOf(conversation).filter(({ sequence, by }) => sequence > readUpTo && by.userId !== userId).length;
};
