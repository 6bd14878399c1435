import { createHash } from "node:crypto";
import { t } from "./fp.js";

export type UserId = string;
export type DeviceId = string;
export type ConversationId = string;
export type MessageId = string;

/** Who acts: the claims of a token. */
export type Actor = { readonly userId: UserId; readonly deviceId: DeviceId };

const idPattern = /^[A-Za-z0-9_.:@-]{1,128}$/;
const conversationPattern = /^[dg]_[A-Za-z0-9_-]{22}$/;
const clientMessagePattern = /^[\x20-\x7e]{1,64}$/;
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const isUserId = (value: unknown): value is UserId => typeof value === "string" && idPattern.test(value);
export const isDeviceId: (value: unknown) => value is DeviceId = isUserId;
export const isConversationId = (value: unknown): value is ConversationId =>
  typeof value === "string" && conversationPattern.test(value);
export const isClientMessageId = (value: unknown): value is string =>
  typeof value === "string" && clientMessagePattern.test(value);
export const isMessageId = (value: unknown): value is MessageId => typeof value === "string" && uuidPattern.test(value);

const refined = (name: string, is: (value: unknown) => value is string) =>
  new t.Type<string>(
    name,
    is,
    (value, context) => (is(value) ? t.success(value) : t.failure(value, context)),
    t.identity,
  );

/** The names of the codecs are what a refused client reads as `expected`. */
export const userIdCodec = refined("1-128 characters of A-Z a-z 0-9 _ . : @ -", isUserId);
export const deviceIdCodec = userIdCodec;
export const conversationIdCodec = refined("a conversation id", (value): value is string => typeof value === "string");
export const clientMessageIdCodec = refined("1-64 printable ASCII characters", isClientMessageId);
export const messageIdCodec = refined("a message id (UUID)", isMessageId);

/** Parley's namespace for RFC 9562 version 5 UUIDs. Part of the stored formats: it never changes. */
const namespace = Buffer.from("6f1d7b1ce59b5a3d9c0f2a5f0f6b7c4e", "hex");

/** Version 5 UUID of the parts; a NUL between them, which no id may contain, keeps `("a","bc")` and `("ab","c")` apart. */
export const uuidv5 = (...parts: readonly string[]): string => {
  const bytes = createHash("sha1").update(namespace).update(parts.join("\0")).digest();
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex", 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
};

/** The idempotency key of a message, which is also its event's id and its name on the wire (PROTOCOL §2). */
export const messageIdOf = (conversationId: ConversationId, by: Actor, clientMessageId: string): MessageId =>
  uuidv5(conversationId, by.userId, by.deviceId, clientMessageId);

const digest = (...parts: readonly string[]): string =>
  createHash("sha256").update(parts.join("\0")).digest().subarray(0, 16).toString("base64url");

/** One direct conversation per pair: a digest of the sorted pair. */
export const directConversationId = (a: UserId, b: UserId): ConversationId => `d_${digest(...[a, b].sort())}`;

/** A group's id: of (creator, clientRequestId) where the client named one, so that a repeat finds it; else of a random id. */
export const groupConversationId = (creator: UserId, request: { clientRequestId: string } | { random: string }) =>
  "random" in request
    ? `g_${digest("random", request.random)}`
    : `g_${digest("request", creator, request.clientRequestId)}`;
