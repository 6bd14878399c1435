import { t } from "./fp.js";
import type { ConversationId, MessageId, UserId } from "./ids.js";

/**
 * Personal text as the log, views, snapshots and queues hold it. `XC20P` (XChaCha20-Poly1305): `data` is base64 of 24
 * bytes nonce, ciphertext, 16 bytes tag, authenticated with the text's place (`sealedAs`); `A256GCM` (AES-256-GCM): the
 * same with 12 bytes of nonce, as it was written before, and is read for ever; `none`: `data` is the text itself (sealing
 * off, end-to-end content, which is opaque already, or what was written before texts of its kind were sealed).
 */
export const sealedCodec = t.type({
  alg: t.keyof({ XC20P: null, A256GCM: null, none: null }),
  keyId: t.string,
  data: t.string,
});
export type Sealed = t.TypeOf<typeof sealedCodec>;

/**
 * A sealed text with a keyed digest beside it, so that texts can be compared without opening anything. It tells nothing
 * once the key is gone. Without one: written before texts of its kind were sealed, or empty.
 */
export const sealedTextCodec = t.intersection([sealedCodec, t.partial({ digest: t.string })]);
export type SealedText = t.TypeOf<typeof sealedTextCodec>;

/** A text that stands as it is. */
export const unsealed = (text: string): Sealed => ({ alg: "none", keyId: "", data: text });

/**
 * Whether two texts of one place are known to be the same. One of before, without a digest, is taken as different from
 * every sealed one: the first change to what it says already writes it once more, sealed.
 */
export const sameText = (a: SealedText, b: SealedText): boolean =>
  a.digest === b.digest && (a.digest !== undefined || a.data === b.data);

/**
 * What a sealed text is authenticated with, so that it cannot be passed off as another's. A message's content is sealed
 * as its id. Part of the stored formats; no id has a slash.
 */
export const sealedAs = {
  name: (id: ConversationId): string => `${id}/name`,
  description: (id: ConversationId): string => `${id}/description`,
  displayName: (id: UserId): string => `${id}/displayName`,
  emoji: (id: ConversationId, messageId: MessageId, by: UserId): string => `${id}/${messageId}/${by}/emoji`,
  /** What the digest of a reaction is made as: one for all who react to that message. */
  reaction: (id: ConversationId, messageId: MessageId): string => `${id}/${messageId}/reaction`,
} as const;
