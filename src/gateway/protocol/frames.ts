import { E, type t } from "../../domain/kernel/fp.js";
import { clientMessageIdCodec, isClientMessageId, messageIdCodec, userIdCodec } from "../../domain/kernel/ids.js";
import type { ConversationId, Sequence } from "../../domain/kernel/ids.js";
import { limits } from "../../domain/kernel/limits.js";
import type { Writable } from "../../domain/kernel/writable.js";
import type { EditMessage, MessageName, SendMessage } from "../../commands/commands.js";
import type { SyncRequest } from "../../projections/queries/queries.js";
import { gatewayLimits, type SizeLimits } from "../limits.js";
import { boolean, checked, decoder, integer, isObject, list, notYet, shape, text } from "./codecs.js";
import type { ClientFrameType } from "../../../client/contract/frames.js";
import type { Failure } from "./codes.js";
import { contentCodec } from "./content.js";
import { failureOf, malformed } from "./details.js";
import { plainMessage } from "./plain-message.js";
import { emojiCodec } from "./emoji.js";
import { conversationName, isConversationName, isFrameId } from "./names.js";
import type { Built } from "./not-built.js";
import { syncCodec } from "./sync-body.js";

/** What a client may ask on a socket, checked and without what it had no business to say. */
export type ClientRequest =
  | { readonly type: "message.send"; readonly message: SendMessage }
  | ChangeRequest
  | TypingRequest
  | { readonly type: "message.delivered" | "message.read"; readonly cursors: readonly ReceiptCursor[] }
  | { readonly type: "sync"; readonly body: SyncRequest }
  | { readonly type: "heartbeat" }
  | { readonly type: "auth.refresh"; readonly token: string };
/** What changes a message that is there; answered with the change's `pos`, or none when nothing changed. */
export type ChangeRequest =
  | { readonly type: "message.edit"; readonly edit: EditMessage }
  | { readonly type: "message.delete"; readonly message: MessageName }
  | { readonly type: "reaction.add" | "reaction.remove"; readonly reaction: MessageName & { readonly emoji: string } };
export type TypingRequest = { readonly type: "typing.start" | "typing.stop"; readonly conversationId: ConversationId };
/** What this server takes of the protocol's frames: each has a reader, and no other has. */
export type RequestType = Built<ClientFrameType>;
export type ReceiptCursor = { readonly conversationId: ConversationId; readonly upToSequence: Sequence };

/** What an answer is addressed by: each only if the request had it in a valid form. */
export type Address = {
  readonly id?: string;
  readonly conversationId?: ConversationId;
  readonly clientMessageId?: string;
};

export type DecodedFrame = { readonly address: Address } & (
  | { readonly kind: "request"; readonly request: ClientRequest }
  | { readonly kind: "refused"; readonly type: RequestType | "unknown"; readonly failure: Failure }
);

/** Of any length that a frame may have: the authenticator says whether it is too long, however tokens come. */
const token = checked("a token", (value): value is string => typeof value === "string" && value !== "");

const cursor = shape({ conversationId: conversationName, upToSequence: integer(0) }, {});
const cursors = shape({ cursors: list("cursors", cursor, 0, gatewayLimits.receiptCursorsMax) }, {});
/** One cursor, or a list: a client that sends `cursors` means the list. */
const receipts = decoder("an object", (value, context) => {
  if (isObject(value) && Object.hasOwn(value, "cursors"))
    return E.map((many: { readonly cursors: readonly ReceiptCursor[] }) => many.cursors)(
      cursors.validate(value, context),
    );
  return E.map((one: ReceiptCursor): readonly ReceiptCursor[] => [one])(cursor.validate(value, context));
});

/** Written out, since it runs for every message: spreads of these objects cost 2 µs. */
const toMessage = (decoded: t.TypeOf<ReturnType<typeof messageCodec>>): SendMessage => {
  const { conversationId, clientMessageId, replyTo, mentions, forwarded } = decoded;
  const { contentType, content } = decoded.content;
  const message: Writable<SendMessage> = { conversationId, clientMessageId, contentType, content };
  if (replyTo !== undefined) message.replyTo = replyTo;
  if (mentions !== undefined) message.mentions = mentions;
  if (forwarded !== undefined) message.forwarded = forwarded;
  return message;
};
const mentions = list("user ids", userIdCodec, 0, limits.mentionsMax);
const onlyTrue = checked("true, or no such field", (value): value is true => value === true);
const messageCodec = (bytesMax: number) =>
  shape(
    { conversationId: conversationName, clientMessageId: clientMessageIdCodec, content: contentCodec(bytesMax) },
    { replyTo: messageIdCodec, mentions, forwarded: onlyTrue, expiresIn: notYet("messages that expire") },
  );

const editCodec = (bytesMax: number) =>
  shape({ conversationId: conversationName, messageId: messageIdCodec, content: contentCodec(bytesMax) }, {});
const toEdit = ({ content, ...rest }: t.TypeOf<ReturnType<typeof editCodec>>): EditMessage => ({ ...rest, ...content });
const messageName = shape({ conversationId: conversationName, messageId: messageIdCodec }, {});
const reaction = (emoji: t.Type<string>) =>
  shape({ conversationId: conversationName, messageId: messageIdCodec, emoji }, {});
/** Whatever was a reaction once can be taken back: what counts as an emoji is not the same for ever. */
const anyEmoji = text(1, gatewayLimits.emojiCharsMax);
const typing = shape({ conversationId: conversationName }, {});

type Reader = (payload: unknown) => E.Either<t.Errors, ClientRequest>;

const read =
  <A>(codec: t.Type<A, unknown>, toRequest: (decoded: A) => ClientRequest): Reader =>
  (payload) =>
    E.map(toRequest)(codec.decode(payload));

const readers = (sizes: SizeLimits): ReadonlyMap<string, { readonly type: RequestType; readonly reader: Reader }> => {
  const all: Readonly<Record<RequestType, Reader>> = {
    "message.send": read(messageCodec(sizes.maxMessageBytes), (decoded) => ({
      type: "message.send",
      message: toMessage(decoded),
    })),
    "message.edit": read(editCodec(sizes.maxMessageBytes), (decoded) => ({
      type: "message.edit",
      edit: toEdit(decoded),
    })),
    "message.delete": read(messageName, (message) => ({ type: "message.delete", message })),
    "reaction.add": read(reaction(emojiCodec), (decoded) => ({ type: "reaction.add", reaction: decoded })),
    "reaction.remove": read(reaction(anyEmoji), (decoded) => ({ type: "reaction.remove", reaction: decoded })),
    "typing.start": read(typing, ({ conversationId }) => ({ type: "typing.start", conversationId })),
    "typing.stop": read(typing, ({ conversationId }) => ({ type: "typing.stop", conversationId })),
    "message.delivered": read(receipts, (decoded) => ({ type: "message.delivered", cursors: decoded })),
    "message.read": read(receipts, (decoded) => ({ type: "message.read", cursors: decoded })),
    sync: read(syncCodec, (body) => ({ type: "sync", body })),
    heartbeat: read(shape({}, { idle: boolean }), () => ({ type: "heartbeat" })),
    "auth.refresh": read(shape({ token }, {}), (decoded) => ({ type: "auth.refresh", token: decoded.token })),
  };
  return new Map(Object.entries(all).map(([type, reader]) => [type, { type: type as RequestType, reader }] as const));
};

/** Text of a frame → request or refusal. Never throws, whatever the text. */
export const createFrameDecoder = (sizes: SizeLimits): ((text: string) => DecodedFrame) => {
  const decode = decoderOf(sizes);
  return (text) => {
    const frame = parse(text);
    if (!isObject(frame)) return refused({}, "unknown", malformed([{ field: "frame", expected: "a JSON object" }]));
    return plainMessage(frame, sizes.maxMessageBytes) ?? decode(frame);
  };
};

const decoderOf = (sizes: SizeLimits): ((frame: Readonly<Record<string, unknown>>) => DecodedFrame) => {
  const known = readers(sizes);
  const types = `one of ${Array.from(known.keys()).join(", ")}`;
  return (frame) => {
    const { type, id, payload = {} } = frame;
    const goodId = isFrameId(id);
    const address = addressOf(goodId ? id : undefined, payload);
    if (id !== undefined && !goodId)
      return refused(address, "unknown", malformed([{ field: "id", expected: "1 to 64 characters, or no id" }]));
    const found = typeof type === "string" ? known.get(type) : undefined;
    if (found === undefined) return refused(address, "unknown", malformed([{ field: "type", expected: types }]));
    const decoded = found.reader(payload);
    return E.isLeft(decoded)
      ? refused(address, found.type, failureOf(decoded.left, "payload"))
      : { kind: "request", address, request: decoded.right };
  };
};

const refused = (address: Address, type: RequestType | "unknown", failure: Failure): DecodedFrame => ({
  kind: "refused",
  address,
  type,
  failure,
});

const addressOf = (id: string | undefined, payload: unknown): Address => {
  const address: { id?: string; conversationId?: ConversationId; clientMessageId?: string } = {};
  if (id !== undefined) address.id = id;
  if (!isObject(payload)) return address;
  const { conversationId, clientMessageId } = payload;
  if (isConversationName(conversationId)) address.conversationId = conversationId;
  if (isClientMessageId(clientMessageId)) address.clientMessageId = clientMessageId;
  return address;
};

/** Undefined for what is not JSON: it is no object either. */
const parse = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};
