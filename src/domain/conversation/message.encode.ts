import { quoted } from "../kernel/json.js";
import type { Sealed } from "../kernel/sealed.js";
import type { MessageSent } from "./conversation.events.js";

/**
 * The data of `MessageSent` as the log stores it: what `JSON.stringify` would write, by template, since it is written for
 * every message. A test holds the two together.
 */
export const encodeMessageSent = (event: MessageSent): string => {
  const { messageId, sequence, clientMessageId, contentType, replyTo, expiresAt, mentions, forwarded, origin } = event;
  const reply = replyTo === undefined ? "" : `,"replyTo":${quoted(replyTo)}`;
  const expiry = expiresAt === undefined ? "" : `,"expiresAt":${expiresAt}`;
  const named = mentions === undefined ? "" : `,"mentions":${JSON.stringify(mentions)}`;
  const passedOn = forwarded === undefined ? "" : ',"forwarded":true';
  const from = origin === undefined ? "" : `,"origin":${JSON.stringify(origin)}`;
  return `{"messageId":${quoted(messageId)},"sequence":${sequence},"clientMessageId":${quoted(clientMessageId)},"contentType":"${contentType}","content":${encodeSealed(event.content)}${reply}${expiry}${named}${passedOn}${from}}`;
};

/** Base64 has nothing to escape. */
const encodeSealed = ({ alg, keyId, data }: Sealed): string =>
  `{"alg":"${alg}","keyId":${quoted(keyId)},"data":${alg === "none" ? quoted(data) : `"${data}"`}}`;
