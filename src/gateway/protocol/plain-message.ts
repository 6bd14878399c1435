import type { SendMessage } from "../../commands/commands.js";
import { isClientMessageId, type ConversationId } from "../../domain/kernel/ids.js";
import { isObject } from "./codecs.js";
import { isConversationName, isFrameId } from "./names.js";

/** One of the decoder's `DecodedFrame`s. */
type PlainMessage = {
  readonly kind: "request";
  readonly address: { readonly id?: string; readonly conversationId: ConversationId; readonly clientMessageId: string };
  readonly request: { readonly type: "message.send"; readonly message: SendMessage };
};

/** Around the text in the content's JSON. */
const wrapping = `{"type":"text","text":}`.length;
/** A UTF-16 unit is at most three bytes of UTF-8, and six as an escape. */
const bytesPerUnitMax = 6;

/**
 * What clients say all day: a text message with nothing beside it. The codecs would say the same of it, for four times the
 * cost; whatever is not plainly so, and whatever is wrong, is theirs: undefined.
 *
 * @param frame as parsed, so every key in it is its own
 * @param bytesMax of the content's JSON
 */
export const plainMessage = (frame: Readonly<Record<string, unknown>>, bytesMax: number): PlainMessage | undefined => {
  const { type, id, payload } = frame;
  if (type !== "message.send" || !isObject(payload) || !(id === undefined || isFrameId(id))) return undefined;
  const { conversationId, clientMessageId, content } = payload;
  if (!isObject(content) || !isConversationName(conversationId) || !isClientMessageId(clientMessageId))
    return undefined;
  if (hasMore(payload) || content.type !== "text" || content.metadata !== undefined) return undefined;
  const { text } = content;
  if (typeof text !== "string" || text === "" || text.length * bytesPerUnitMax + wrapping > bytesMax) return undefined;
  const json = JSON.stringify(text);
  // Perhaps half of a surrogate pair.
  if (json.includes("\\ud")) return undefined;
  const message = {
    conversationId,
    clientMessageId,
    contentType: "text",
    content: `{"type":"text","text":${json}}`,
  } as const;
  const address = id === undefined ? { conversationId, clientMessageId } : { id, conversationId, clientMessageId };
  return { kind: "request", address, request: { type: "message.send", message } };
};

const hasMore = ({ replyTo, mentions, forwarded, expiresIn }: Readonly<Record<string, unknown>>): boolean =>
  replyTo !== undefined || mentions !== undefined || forwarded !== undefined || expiresIn !== undefined;
