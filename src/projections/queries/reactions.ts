import { emojiKey } from "../../domain/conversation/emoji.js";
import { sealedAs } from "../../domain/kernel/sealed.js";
import type { OpenContent } from "../ports/open-content.js";
import { reactionUserIdsMax, type MessageRow, type ReactionRow } from "../ports/rows.js";
import type { MessageView } from "./queries.js";

type Shown = NonNullable<MessageView["reactions"]>[number];
type OfMessage = Pick<MessageRow, "conversationId" | "messageId" | "reactions">;
type User = ReactionRow["users"][number];
/** Users who share an emoji: the `named` are there, the `others` are only counted. Spelled as the first of the named did. */
type Group = { readonly emoji: string; readonly named: readonly [User, ...User[]]; readonly others: number };

/**
 * Reactions as a reader of one page sees them. One whose key is gone is not there. What an older version left in its own
 * form has a digest of its own: it is one with today's when it turns out to be the same emoji.
 *
 * All users of a digest have one emoji, so one of them is opened for its spelling. Of the others only the keys are asked
 * for, each once for the whole page: the users of one message are those of the next.
 */
export const reactionsOfPage = (open: OpenContent): ((message: OfMessage) => Promise<readonly Shown[]>) => {
  const keys = new Map<string, Promise<boolean>>();
  const isThere = (context: string, { userId, emoji }: User): Promise<boolean> => {
    // What is not sealed has no key: it is there as long as its author is.
    const key = emoji.alg === "none" ? `/${userId}` : emoji.keyId;
    const known = keys.get(key);
    if (known !== undefined) return known;
    const found = open(context, emoji, userId).then((text) => text !== null);
    keys.set(key, found);
    return found;
  };
  /** Undefined: none of the users that are named can be shown. */
  const groupOf = async (
    { count, users }: ReactionRow,
    contextOf: (user: User) => string,
  ): Promise<Group | undefined> => {
    const there = await Promise.all(users.map((user) => isThere(contextOf(user), user)));
    const [first, ...more] = users.filter((_, index) => there[index]);
    const emoji = first === undefined ? null : await open(contextOf(first), first.emoji, first.userId);
    return first === undefined || emoji === null
      ? undefined
      : { emoji, named: [first, ...more], others: count - users.length };
  };
  return async ({ conversationId, messageId, reactions }) => {
    const contextOf = ({ userId }: User): string => sealedAs.emoji(conversationId, messageId, userId);
    const byKey = new Map<string, Group>();
    for (const group of await Promise.all(reactions.map((row) => groupOf(row, contextOf)))) {
      if (group === undefined) continue;
      const key = emojiKey(group.emoji);
      const known = byKey.get(key);
      byKey.set(key, known === undefined ? group : together(known, group));
    }
    return [...byKey.values()].map(({ emoji, named, others }) => ({
      emoji,
      count: named.length + others,
      userIds: named.slice(0, reactionUserIdsMax).map(({ userId }) => userId),
    }));
  };
};

/** A user who is in both is one, where first there. */
const together = (a: Group, b: Group): Group => {
  const [first, second] = a.named[0].pos <= b.named[0].pos ? [a, b] : [b, a];
  const [, ...more] = [...a.named, ...b.named].sort((one, other) => one.pos - other.pos);
  const ids = new Set([first.named[0].userId]);
  const rest = more.filter(({ userId }) => !ids.has(userId) && ids.add(userId));
  return { emoji: first.emoji, named: [first.named[0], ...rest], others: first.others + second.others };
};
