import { emojiKey } from "../../domain/conversation/emoji.js";
import { sealedAs } from "../../domain/kernel/sealed.js";
import type { OpenContent } from "../ports/open-content.js";
import { reactionUserIdsMax, type MessageRow, type ReactionRow } from "../ports/rows.js";
import type { MessageView } from "./queries.js";

type Shown = NonNullable<MessageView["reactions"]>[number];
/** Those who share an emoji: `named` have been opened, `others` are only counted. */
type Group = { readonly key: string; readonly named: readonly Opened[]; readonly others: number };
type Opened = { readonly userId: string; readonly pos: number; readonly emoji: string };

/**
 * Reactions as a reader sees them. One whose key is gone is not there. What an older version left in its own form has a
 * digest of its own: it is one with today's when it turns out to be the same emoji. Spelled as the first did who is there.
 */
export const shownReactions = async (
  { conversationId, messageId, reactions }: Pick<MessageRow, "conversationId" | "messageId" | "reactions">,
  open: OpenContent,
): Promise<readonly Shown[]> => {
  const opened = await Promise.all(reactions.map((row) => openGroup(row, conversationId, messageId, open)));
  const byKey = new Map<string, Group>();
  for (const group of opened) {
    if (group === undefined) continue;
    const known = byKey.get(group.key);
    byKey.set(group.key, known === undefined ? group : together(known, group));
  }
  return [...byKey.values()].map(({ named, others }) => ({
    emoji: named[0]?.emoji ?? "",
    count: named.length + others,
    userIds: named.slice(0, reactionUserIdsMax).map(({ userId }) => userId),
  }));
};

/** Undefined: none of those who are named can be shown. All of a group have one emoji, by its digest. */
const openGroup = async (
  { count, users }: ReactionRow,
  conversationId: string,
  messageId: string,
  open: OpenContent,
): Promise<Group | undefined> => {
  const tried = await Promise.all(
    users.map(async ({ userId, pos, emoji }) => ({
      ...{ userId, pos },
      emoji: await open(sealedAs.emoji(conversationId, messageId, userId), emoji),
    })),
  );
  const named = tried.flatMap(({ emoji, ...who }) => (emoji === null ? [] : [{ ...who, emoji }]));
  const [first] = named;
  return first && { key: emojiKey(first.emoji), named, others: count - users.length };
};

/** Somebody who is in both is one. */
const together = (a: Group, b: Group): Group => {
  const inOrder = [...a.named, ...b.named].sort((one, other) => one.pos - other.pos);
  const named = [...new Map(inOrder.toReversed().map((each) => [each.userId, each])).values()];
  return { key: a.key, named: named.sort((one, other) => one.pos - other.pos), others: a.others + b.others };
};
