import type { EditMessage } from "../../domain/conversation/conversation.js";
import type { MessageId, UserId } from "../../domain/kernel/ids.js";
import { digestUnkeyed, type Sealing } from "./sealing.js";

/** `content`: its JSON, as it is sealed. */
type Edit = { readonly messageId: MessageId; readonly userId: UserId; readonly content: string };

/**
 * The digests beside an edit, by which the same content again is known, whenever that comes. Under the author's profile
 * key, which only their erasure ends: under their key of a month it would be another in the next. What is written is the
 * first; the other is of a time without sealing.
 */
export const digestsOfEdit = (
  sealing: Pick<Sealing, "digest">,
  { messageId, userId, content }: Edit,
): EditMessage["digests"] | Promise<EditMessage["digests"]> => {
  const unkeyed = marked(digestUnkeyed(content, messageId));
  const formsOf = (keyed: string): EditMessage["digests"] => [marked(keyed), unkeyed];
  const digest = sealing.digest(content, { key: { of: "profile", userId }, context: messageId });
  return typeof digest === "string" ? formsOf(digest) : digest.then(formsOf);
};

/** No digest of before begins like this: they are base64url. */
const mark = "2:";
const marked = (digest: string): string => `${mark}${digest}`;

/** Whether it was written by the rule of before, under a key of the month of the edit: `Sealing.hadAsEdit` compares it. */
export const isDigestOfBefore = (digest: string): boolean => !digest.startsWith(mark);
