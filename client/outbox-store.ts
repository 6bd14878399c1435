import { isRecord, type Content } from "./protocol.js";

/** An own message that the server has not acknowledged: what it takes to send it again just as it was. */
export type StoredMessage = {
  readonly conversationId: string;
  readonly clientMessageId: string;
  readonly content: Content;
  readonly replyTo?: string;
  readonly mentions?: readonly string[];
  readonly forwarded?: true;
};

/**
 * Where unacknowledged messages survive the process; one store a user and device. A message is sent after its `put` has
 * resolved. `load` gives them in the order of their first `put`. A rejection, or no answer within `requestTimeoutMs`, is
 * reported as a STORAGE error; the message is sent nevertheless.
 */
export type OutboxStore = {
  readonly load: () => Promise<readonly StoredMessage[]>;
  readonly put: (message: StoredMessage) => Promise<void>;
  readonly remove: (conversationId: string, clientMessageId: string) => Promise<void>;
};

export function isStoredMessage(value: unknown): value is StoredMessage {
  if (!isRecord(value)) return false;
  const { conversationId, clientMessageId, content } = value;
  return typeof conversationId === "string" && typeof clientMessageId === "string" && isRecord(content);
}

/** Conversation ids contain no line feed, so no two messages share a key. */
export const outboxKey = (conversationId: string, clientMessageId: string): string =>
  `${conversationId}\n${clientMessageId}`;

/** Lives as long as it is referenced: give the same one to the next client to carry messages over. */
export function memoryOutboxStore(): OutboxStore {
  const messages = new Map<string, StoredMessage>();
  return {
    load: () => Promise.resolve([...messages.values()]),
    put: (message) => {
      messages.set(outboxKey(message.conversationId, message.clientMessageId), message);
      return Promise.resolve();
    },
    remove: (conversationId, clientMessageId) => {
      messages.delete(outboxKey(conversationId, clientMessageId));
      return Promise.resolve();
    },
  };
}
