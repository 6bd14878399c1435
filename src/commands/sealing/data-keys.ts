import { randomBytes } from "node:crypto";
import type { ConversationId, UserId } from "../../domain/kernel/ids.js";
import type { KeyStore } from "../ports.js";

/**
 * Whose key seals a text, which is when the text ends. `messages`: the author's of a month. `profile`: what only the
 * user's erasure ends. `conversation`: what is nobody's own, such as the name of a group, and outlives its author's
 * erasure.
 */
export type DataKey =
  | { readonly of: "messages"; readonly userId: UserId; /** Unix milliseconds. */ readonly at: number }
  | { readonly of: "profile"; readonly userId: UserId }
  | { readonly of: "conversation"; readonly conversationId: ConversationId };

/**
 * A key's name in the store. A slash is in no id, and no month is called as the other kinds are. Logs of before have
 * names without an incarnation: a name is only looked up, never taken apart.
 */
export const keyIdOf = (key: DataKey, incarnation: string): string => {
  switch (key.of) {
    case "messages":
      return `${key.userId}/${monthOf(key.at)}/${incarnation}`;
    case "profile":
      return `${key.userId}/profile/${incarnation}`;
    case "conversation":
      return `${key.conversationId}/conversation/${incarnation}`;
  }
};

const dayMs = 86_400_000;
let today = { day: -1, month: "" };
/** `2026-11`. Formatting a date for each message would cost 1 µs, so it is done once a day. */
const monthOf = (at: number): string => {
  const day = Math.floor(at / dayMs);
  if (day !== today.day) today = { day, month: new Date(at).toISOString().slice(0, 7) };
  return today.month;
};

/** Characters of an incarnation are four for three of these: two that are the same are not to be expected. */
const incarnationBytes = 9;
/** Kept as a key among the keys; no user id begins like this. */
const incarnationId = "#incarnation";

/**
 * What the ids of all keys end with that this store makes: drawn with the store, kept in it and gone with it. So what is
 * sealed after a loss never has the names of what was sealed before, and the two can be brought together again.
 */
export const incarnationOf = async (keys: Pick<KeyStore, "obtain">): Promise<string> =>
  (await keys.obtain(incarnationId)).subarray(0, incarnationBytes).toString("base64url");

/** For a store that has lost keys of its own incarnation, as one of an old backup has. */
export const freshIncarnation = (): string => randomBytes(incarnationBytes).toString("base64url");
