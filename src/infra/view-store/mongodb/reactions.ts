import { reactionUserIdsMax, type FoundMessage, type MessageRow } from "../../../projections/ports.js";
import { idsUnder, type ReactionDocument, type ViewCollections } from "./documents.js";

type Place = Pick<ReactionDocument, "conversationId" | "sequence">;
type Group = Place & { readonly emoji: string; readonly count: number; readonly minusFirstPos: number | null };

/**
 * The reactions of some messages, emoji as the first who are there spelled them, in the order in which they were first there, users in the order in which they
 * added it last. One query counts; one more names the users of all emoji that few have used, and one for each of the
 * others the first of its many.
 */
export const groupedReactions = async (
  views: ViewCollections,
  messages: readonly Place[],
): Promise<(message: Place) => MessageRow["reactions"]> => {
  if (messages.length === 0) return () => [];
  const groups = await groupsOf(views, messages);
  const few = groups.filter(({ count }) => count <= reactionUserIdsMax);
  const many = groups.filter(({ count }) => count > reactionUserIdsMax);
  const named = await Promise.all([usersOfFew(views, few), ...many.map((group) => usersOf(views, group))]);
  const users = new Map<string, ReactionDocument[]>();
  for (const reaction of named.flat()) {
    const known = users.get(nameOf(reaction));
    if (known === undefined) users.set(nameOf(reaction), [reaction]);
    else known.push(reaction);
  }
  const found = new Map<string, MessageRow["reactions"][number][]>();
  for (const group of groups.toSorted((a, b) => (b.minusFirstPos ?? -Infinity) - (a.minusFirstPos ?? -Infinity))) {
    const there = (users.get(nameOf(group)) ?? []).slice(0, reactionUserIdsMax);
    const [first] = there;
    // One that was taken away between the queries: the users that are named are what is there.
    if (first === undefined) continue;
    const userIds = there.map(({ userId }) => userId);
    const emoji = first.shown.x;
    const count = userIds.length < reactionUserIdsMax ? userIds.length : Math.max(group.count, reactionUserIdsMax);
    const ofMessage = found.get(placeOf(group));
    if (ofMessage === undefined) found.set(placeOf(group), [{ emoji, count, userIds }]);
    else ofMessage.push({ emoji, count, userIds });
  }
  return (message) => found.get(placeOf(message)) ?? [];
};

const placeOf = ({ conversationId, sequence }: Place): string => `${conversationId} ${sequence}`;
const nameOf = (group: Place & Pick<Group, "emoji">): string => `${placeOf(group)} ${group.emoji}`;

/** Of emoji that are there now; their order is by when they first were, also for users who took them away since. */
const groupsOf = async (views: ViewCollections, messages: readonly Place[]): Promise<readonly Group[]> => {
  type Counted = { readonly _id: Place & { readonly emoji: string } } & Pick<Group, "count" | "minusFirstPos">;
  const counted = await views.reactions
    .aggregate<Counted>([
      { $match: { $or: placesIn(messages) } },
      {
        $group: {
          _id: { conversationId: "$conversationId", sequence: "$sequence", emoji: "$emoji" },
          count: { $sum: { $cond: [{ $eq: ["$present.x", true] }, 1, 0] } },
          minusFirstPos: { $max: "$minusFirstPos" },
        },
      },
      { $match: { count: { $gt: 0 } } },
    ])
    .toArray();
  return counted.map(({ _id, count, minusFirstPos }) => ({ ..._id, count, minusFirstPos }));
};

/** One condition a conversation, whatever the number of its messages. */
const placesIn = (messages: readonly Place[]) => {
  const sequences = new Map<string, number[]>();
  for (const { conversationId, sequence } of messages) {
    const known = sequences.get(conversationId);
    if (known === undefined) sequences.set(conversationId, [sequence]);
    else known.push(sequence);
  }
  return [...sequences].map(([conversationId, of]) => ({ conversationId, sequence: { $in: of } }));
};

const usersOfFew = async (views: ViewCollections, groups: readonly Group[]): Promise<readonly ReactionDocument[]> => {
  if (groups.length === 0) return [];
  const emojis = new Map<string, Place & { readonly emojis: string[] }>();
  for (const { conversationId, sequence, emoji } of groups) {
    const known = emojis.get(placeOf({ conversationId, sequence }));
    if (known === undefined)
      emojis.set(placeOf({ conversationId, sequence }), { conversationId, sequence, emojis: [emoji] });
    else known.emojis.push(emoji);
  }
  const conditions = [...emojis.values()].map(({ emojis: of, ...place }) => ({
    ...{ ...place, emoji: { $in: of }, "present.x": true },
  }));
  const found = await views.reactions.find({ $or: conditions }).toArray();
  return found.sort((a, b) => a.present.v - b.present.v);
};

const usersOf = (views: ViewCollections, { conversationId, sequence, emoji }: Group): Promise<ReactionDocument[]> =>
  views.reactions
    .find({ conversationId, sequence, emoji, "present.x": true })
    .sort({ "present.v": 1 })
    .limit(reactionUserIdsMax)
    .toArray();

/** All of one message. */
export const allReactions = async (
  views: ViewCollections,
  conversationId: string,
  sequence: number,
): Promise<FoundMessage["reactions"]> => {
  const found = await views.reactions
    .find({ _id: idsUnder(conversationId, sequence), "present.x": true })
    .sort({ _id: 1 })
    .toArray();
  return found.map(({ shown, userId }) => ({ emoji: shown.x, userId }));
};
