/** The public entry: nothing here depends on Node. `@parley/client/node` and `@parley/client/browser` have the platforms. */
export type { CallOptions } from "./abort.js";
export { createClient, type Client, type SendOptions } from "./client.js";
export { type ClientOptions } from "./options.js";
export { type ClientEvents } from "./events.js";
export { type ConnectionState } from "./connection.js";
export { isGapped, messageAt, type ConversationState, type PendingMessage } from "./conversation.js";
export { ParleyError, type ErrorCode, type ErrorDetail } from "./errors.js";
export { memoryOutboxStore, type OutboxStore, type StoredMessage } from "./outbox-store.js";
export { storedOutbox, type KeyValueStore, type StoredOutboxOptions } from "./storage-outbox.js";
export {
  platformWith,
  type HttpAnswer,
  type HttpRequest,
  type Platform,
  type Socket,
  type SocketHandlers,
  type WebSocketClass,
} from "./platform.js";
export type { Group, HistoryPage, InboxPage, MembersPage, Profile, PublicUser } from "./rest.js";
export type * from "./protocol.js";
export { type TokenSource } from "./token.js";
