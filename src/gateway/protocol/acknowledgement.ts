import type { MessageAccepted } from "../../commands/commands.js";
import { quoted } from "../../domain/kernel/json.js";
import type { ServerFrame } from "./server-frames.js";

/** `message.ack`: the message is durable. */
export const toAcknowledgement = (accepted: MessageAccepted): ServerFrame => {
  const { clientMessageId, messageId, conversationId, sequence, pos, timestamp, duplicate } = accepted;
  return {
    type: "message.ack",
    payload: { clientMessageId, messageId, conversationId, sequence, pos, timestamp, duplicate },
  };
};

/** `JSON.stringify` of it with the request's id, written out, since it is said for every message. */
export const encodeAcknowledgement = (id: string | undefined, accepted: MessageAccepted): string => {
  const { clientMessageId, messageId, conversationId, sequence, pos, timestamp, duplicate } = accepted;
  const addressed = id === undefined ? "" : `"id":${quoted(id)},`;
  return `{"type":"message.ack",${addressed}"payload":{"clientMessageId":${quoted(clientMessageId)},"messageId":${quoted(messageId)},"conversationId":${quoted(conversationId)},"sequence":${sequence},"pos":${pos},"timestamp":${timestamp},"duplicate":${duplicate}}}`;
};
