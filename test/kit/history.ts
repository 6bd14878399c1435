import { join } from "node:path";
import type { Message } from "../../client/index.js";
import { openingWith } from "../../src/commands/sealing/sealing.js";
import { decodeEvent, type DomainEvent } from "../../src/domain/catalogue.js";
import type { ConversationEvent } from "../../src/domain/conversation/conversation.events.js";
import { userIdOf } from "../../src/domain/kernel/by.js";
import { sealedAs, type Sealed } from "../../src/domain/kernel/sealed.js";
import { noPosition, streamId, type Position, type RecordedEvent } from "../../src/domain/kernel/stream.js";
import { openEventStoreDb } from "../../src/infra/event-log/eventstoredb/event-log.js";
import { openSqliteLogReader } from "../../src/infra/event-log/sqlite/file-reader.js";
import { openMongoKeyStore } from "../../src/infra/key-store/mongodb/key-store.js";
import { openSqliteKeyStore } from "../../src/infra/key-store/sqlite/key-store.js";
import { openMongo } from "../../src/infra/engines/mongodb/connection.js";
import { textCipher } from "./text-cipher.js";
import { masterKeysIn } from "./master-key.js";

/** A conversation as its streams say it, computed the slow and obvious way: what everything else is compared with. */
export type TrueConversation = {
  readonly conversationId: string;
  /** By pos. */
  readonly events: readonly ConversationEvent[];
  readonly readUpTo: ReadonlyMap<string, number>;
  /** Of all devices the furthest; what was read was delivered. */
  readonly deliveredUpTo: ReadonlyMap<string, number>;
};

/** Where the truth is: a data directory that no server uses, or engines, also while processes use them. */
export type HistorySource = string | EngineSource;
export type EngineSource = {
  readonly eventStoreUrl: string;
  /** What was in the log already is not this test's: events after this position alone. */
  readonly after: Position;
  readonly mongo: { readonly url: string; readonly database: string };
  readonly masterKey: Buffer;
};

/** Every event of a source, in the log's order. */
export const readLog = async (source: HistorySource): Promise<readonly RecordedEvent[]> => {
  if (typeof source !== "string") {
    const log = openEventStoreDb({ url: source.eventStoreUrl });
    return readWhole(log, source.after).finally(log.close);
  }
  const reader = openSqliteLogReader(join(source, "log.db"));
  try {
    return await readWhole(reader, noPosition);
  } finally {
    reader.close();
  }
};

const readWhole = async (
  log: { readonly readAll: (after: Position, limit: number) => Promise<readonly RecordedEvent[]> },
  after: Position,
): Promise<readonly RecordedEvent[]> => {
  const all: RecordedEvent[] = [];
  for (;;) {
    const page = await log.readAll(all.at(-1)?.position ?? after, 5_000);
    all.push(...page);
    if (page.length === 0) return all;
  }
};

export const conversationsIn = (log: readonly RecordedEvent[]): ReadonlyMap<string, TrueConversation> => {
  type Growing = Record<"readUpTo" | "deliveredUpTo", Map<string, number>> & {
    readonly conversationId: string;
    readonly events: ConversationEvent[];
  };
  const found = new Map<string, Growing>();
  const of = (conversationId: string): Growing => {
    const fresh = () => ({ conversationId, events: [], readUpTo: new Map(), deliveredUpTo: new Map() });
    const known = found.get(conversationId) ?? fresh();
    found.set(conversationId, known);
    return known;
  };
  const raise = (cursors: Map<string, number>, userId: string, upTo: number): void => {
    cursors.set(userId, Math.max(cursors.get(userId) ?? 0, upTo));
  };
  for (const recorded of log) {
    const event: DomainEvent = decodeEvent(recorded);
    const conversation = of(streamId(recorded.stream));
    if (recorded.stream.startsWith("conversation-")) {
      if (recorded.revision !== conversation.events.length)
        throw new Error(`a gap in ${recorded.stream} at ${recorded.revision}`);
      conversation.events.push(event as ConversationEvent);
    } else if (event.type === "ReceiptsAdvanced") {
      for (const { userId, deliveredUpTo = 0, readUpTo = 0 } of event.cursors) {
        raise(conversation.readUpTo, userId, readUpTo);
        raise(conversation.deliveredUpTo, userId, Math.max(deliveredUpTo, readUpTo));
      }
    } else {
      found.delete(conversation.conversationId);
    }
  }
  return found;
};

export const messagesOf = ({ events }: TrueConversation) => events.filter((event) => event.type === "MessageSent");

/** DESIGN §4's definition, for a user who was a member all the time: neither read, nor own, nor deleted. */
export const unreadIn = (conversation: TrueConversation, userId: string): number => {
  const readUpTo = conversation.readUpTo.get(userId) ?? 0;
  const deleted = new Set(deletionsOf(conversation).map(({ messageId }) => messageId));
  return messagesOf(conversation).filter(
    ({ messageId, sequence, by }) => sequence > readUpTo && userIdOf(by) !== userId && !deleted.has(messageId),
  ).length;
};

export const deletionsOf = ({ events }: TrueConversation) => events.filter((event) => event.type === "MessageDeleted");

/** A message as every member has to see it; reactions as `emoji user`, sorted: their order is no promise. */
export type Shown = {
  readonly sequence: number;
  readonly messageId: string;
  readonly senderId: string;
  readonly text: string | undefined;
  readonly editedAt: number | undefined;
  readonly deletedAt: number | undefined;
  readonly reactions: readonly string[];
  readonly updatedPos: number;
};

/** What a client or the history shows, in the form that is compared. */
export const shownOf = (message: Message): Shown => {
  const { sequence, messageId, senderId, content, editedAt, deletedAt, reactions = [], updatedPos } = message;
  const named = reactions.flatMap(({ emoji, userIds }) => userIds.map((userId) => `${emoji} ${userId}`));
  const counted = reactions.reduce((sum, { count }) => sum + count, 0);
  if (counted !== named.length) throw new Error(`${messageId}: ${counted} reactions of ${named.join(", ")}`);
  const text = content?.type === "text" ? content.text : undefined;
  return { sequence, messageId, senderId, text, editedAt, deletedAt, reactions: named.sort(), updatedPos };
};

/**
 * Message by message: what is to be shown, every text that it ever had, and the emoji of each change of its reactions by
 * `pos`. By messageId, in sequence order.
 */
export type TrueMessage = {
  readonly shown: Shown;
  readonly said: readonly string[];
  readonly reacted: ReadonlyMap<number, string>;
};

/**
 * What the log says about every message. Refuses what the log must never hold: a change of a message that is deleted or
 * unknown, a reaction that was there already, one removed that was not.
 */
export const trueMessagesOf = async (
  { conversationId, events }: TrueConversation,
  open: (context: string, sealed: Sealed) => Promise<string>,
): Promise<ReadonlyMap<string, TrueMessage>> => {
  const found = new Map<string, TrueMessage>();
  for (const [updatedPos, event] of events.entries()) {
    if (!("messageId" in event)) continue;
    const before = found.get(event.messageId);
    const wrong = new Error(`${conversationId} ${updatedPos}: ${event.type} of ${JSON.stringify(before ?? "nothing")}`);
    if (event.type === "MessageSent") {
      if (before !== undefined) throw wrong;
      const { messageId, sequence } = event;
      const text = textIn(await open(messageId, event.content));
      const unchanged = { editedAt: undefined, deletedAt: undefined, reactions: [] };
      const shown = { sequence, messageId, senderId: userIdOf(event.by), text, ...unchanged, updatedPos };
      found.set(messageId, { shown, said: [text], reacted: new Map() });
      continue;
    }
    if (before?.shown.deletedAt !== undefined || before?.shown.sequence !== event.sequence) throw wrong;
    const { shown, said, reacted } = before;
    switch (event.type) {
      case "MessageEdited": {
        const text = textIn(await open(event.messageId, event.content));
        found.set(event.messageId, {
          shown: { ...shown, text, editedAt: event.at, updatedPos },
          said: [...said, text],
          reacted,
        });
        break;
      }
      case "MessageDeleted": {
        const emptied = { text: undefined, editedAt: undefined, reactions: [], deletedAt: event.at };
        found.set(event.messageId, { shown: { ...shown, ...emptied, updatedPos }, said, reacted });
        break;
      }
      case "ReactionAdded":
      case "ReactionRemoved": {
        const by = userIdOf(event.by);
        const emoji = await open(sealedAs.emoji(conversationId, event.messageId, by), event.emoji);
        const reaction = `${emoji} ${by}`;
        const added = event.type === "ReactionAdded";
        if (shown.reactions.includes(reaction) === added) throw wrong;
        const others = shown.reactions.filter((other) => other !== reaction);
        const reactions = added ? [...others, reaction].sort() : others;
        found.set(event.messageId, {
          shown: { ...shown, reactions, updatedPos },
          said,
          reacted: new Map(reacted).set(updatedPos, emoji),
        });
        break;
      }
    }
  }
  return found;
};

const textIn = (content: string): string => (JSON.parse(content) as { text: string }).text;

/** With what a source's keys open: `open` throws where one is missing. */
export const withTexts = async <A>(
  source: HistorySource,
  body: (open: (context: string, sealed: Sealed) => Promise<string>) => Promise<A>,
): Promise<A> => {
  const { keys, close } = await openKeys(source);
  try {
    const open = openingWith(keys, textCipher);
    return await body(async (context, sealed) => {
      const opened = await open(context, sealed);
      if (opened === null) throw new Error(`the key of ${context} is gone`);
      return opened;
    });
  } finally {
    await close();
  }
};

const openKeys = async (source: HistorySource) => {
  if (typeof source === "string") {
    const keys = await openSqliteKeyStore(join(source, "keys.db"), await masterKeysIn(source));
    return { keys, close: () => keys.close() };
  }
  const mongo = await openMongo(source.mongo);
  const keys = openMongoKeyStore({ db: mongo.db, masterKeys: [source.masterKey] });
  return { keys, close: () => keys.close().then(mongo.close) };
};
