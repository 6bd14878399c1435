import { createHash, hash } from "node:crypto";
import type { Flavor } from "./brand.js";
import { t } from "./fp.js";

export type UserId = Flavor<string, "UserId">;
export type DeviceId = Flavor<string, "DeviceId">;
export type ConversationId = Flavor<string, "ConversationId">;
export type MessageId = Flavor<string, "MessageId">;

/** Place of a message among the messages of its conversation: 1, 2, 3 … without a gap; 0 is before every message. */
export type Sequence = Flavor<number, "Sequence">;

/** The device that acts: the claims of a token. */
export type Actor = { readonly userId: UserId; readonly deviceId: DeviceId };

/** Neither `.` nor `..`: those are places in an address, and no client library asks for them by their name. */
const idPattern = /^(?!\.{1,2}$)[A-Za-z0-9_.:@+|-]{1,128}$/;
const clientMessagePattern = /^[\x20-\x7e]{1,64}$/;
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const isUserId = (value: unknown): value is UserId => typeof value === "string" && idPattern.test(value);
export const isDeviceId = isUserId as (value: unknown) => boolean as (value: unknown) => value is DeviceId;
export const isClientMessageId = (value: unknown): value is string =>
  typeof value === "string" && clientMessagePattern.test(value);
export const isUuid = (value: string): boolean => uuidPattern.test(value);
export const isMessageId = (value: unknown): value is MessageId => typeof value === "string" && isUuid(value);

const refined = (name: string, is: (value: unknown) => value is string) =>
  new t.Type<string>(
    name,
    is,
    (value, context) => (is(value) ? t.success(value) : t.failure(value, context)),
    t.identity,
  );

/** The names of the codecs are what a refused client reads as `expected`. */
export const userIdCodec = refined("1-128 characters of A-Z a-z 0-9 _ . : @ + | -, neither . nor ..", isUserId);
export const clientMessageIdCodec = refined("1-64 printable ASCII characters", isClientMessageId);
export const messageIdCodec = refined("a message id (UUID)", isMessageId);

/** Parley's namespace for RFC 9562 version 5 UUIDs. Part of the stored formats: it never changes. */
const namespace = Buffer.from("6f1d7b1ce59b5a3d9c0f2a5f0f6b7c4e", "hex");
/** The namespace, and behind it room for the parts of a message's key: made once, since every message is named. */
const named = Buffer.concat([namespace, Buffer.alloc(2048)]);
/** A UTF-16 unit is at most three bytes of UTF-8. */
const nameCharsMax = (named.length - namespace.length) / 3;

/** Version 5 UUID of the parts; a NUL between them, which no id may contain, keeps `("a","bc")` and `("ab","c")` apart. */
export const uuidv5 = (...parts: readonly string[]): string => {
  const hex = sha1InNamespace(parts.join("\0"));
  const variant = "89ab"[Number.parseInt(hex.charAt(16), 16) & 3] ?? "8";
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};

/** In one call into the library: an object with `update` and `digest` costs four times as much (4 µs a message). */
const sha1InNamespace = (name: string): string => {
  if (name.length > nameCharsMax) return hash("sha1", Buffer.concat([namespace, Buffer.from(name)]), "hex");
  const end = namespace.length + named.write(name, namespace.length);
  return hash("sha1", named.subarray(0, end), "hex");
};

/** The idempotency key of a message, which is also its name on the wire (PROTOCOL §2); its event has an id of its own. */
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
