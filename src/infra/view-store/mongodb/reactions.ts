import type { ConversationId, Sequence } from "../../../domain/kernel/ids.js";
import { asRevision } from "../../../domain/kernel/stream.js";
import {
  reactionUserIdsMax,
  type FoundMessage,
  type MessageRow,
  type ReactionRow,
} from "../../../projections/ports/rows.js";
import { sealedThere } from "../../../projections/views/sealed-value.js";
import { idsUnder, type ReactionDocument, type ViewCollections } from "./documents.js";

type Place = Pick<ReactionDocument, "conversationId" | "sequence">;
type Group = Place & { readonly digest: string; readonly count: number; readonly minusFirstPos: number | null };

/**
 * The reactions of some messages in the order in which they were first there, users in the order in which they added it
 * last. One query counts; one more names the users of all reactions that few share, and one for each of the others the
 * first of its many.
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
    // One that was taken away between the queries: the users that are named are what is there.
    if (there.length === 0) continue;
    const reaction = {
      count: there.length < reactionUserIdsMax ? there.length : Math.max(group.count, reactionUserIdsMax),
      users: there.map(namedOf),
    };
    const ofMessage = found.get(placeOf(group));
    if (ofMessage === undefined) found.set(placeOf(group), [reaction]);
    else ofMessage.push(reaction);
  }
  return (message) => found.get(placeOf(message)) ?? [];
};

const namedOf = ({ userId, present, shown }: ReactionDocument): ReactionRow["users"][number] => {
  if (shown.x === null) throw new Error(`a reaction of ${userId} is there without its emoji`);
  return { userId, pos: asRevision(present.v), emoji: sealedThere(shown.x) };
};

const placeOf = ({ conversationId, sequence }: Place): string => `${conversationId} ${sequence}`;
const nameOf = (group: Place & Pick<Group, "digest">): string => `${placeOf(group)} ${group.digest}`;

/** Of reactions that are there now; their order is by when they first were, also for users who took them away since. */
const groupsOf = async (views: ViewCollections, messages: readonly Place[]): Promise<readonly Group[]> => {
  type Counted = { readonly _id: Place & { readonly digest: string } } & Pick<Group, "count" | "minusFirstPos">;
  const counted = await views.reactions
    .aggregate<Counted>([
      { $match: { $or: placesIn(messages) } },
      {
        $group: {
          _id: { conversationId: "$conversationId", sequence: "$sequence", digest: "$digest" },
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
  const sequences = new Map<ConversationId, Sequence[]>();
  for (const { conversationId, sequence } of messages) {
    const known = sequences.get(conversationId);
    if (known === undefined) sequences.set(conversationId, [sequence]);
    else known.push(sequence);
  }
  return [...sequences].map(([conversationId, of]) => ({ conversationId, sequence: { $in: of } }));
};

const usersOfFew = async (views: ViewCollections, groups: readonly Group[]): Promise<readonly ReactionDocument[]> => {
  if (groups.length === 0) return [];
  const digests = new Map<string, Place & { readonly digests: string[] }>();
  for (const { conversationId, sequence, digest } of groups) {
    const known = digests.get(placeOf({ conversationId, sequence }));
    if (known === undefined)
      digests.set(placeOf({ conversationId, sequence }), { conversationId, sequence, digests: [digest] });
    else known.digests.push(digest);
  }
  const conditions = [...digests.values()].map(({ digests: of, ...place }) => ({
    ...{ ...place, digest: { $in: of }, "present.x": true },
  }));
  const found = await views.reactions.find({ $or: conditions }).toArray();
  return found.sort((a, b) => a.present.v - b.present.v);
};

const usersOf = (views: ViewCollections, { conversationId, sequence, digest }: Group): Promise<ReactionDocument[]> =>
  views.reactions
    .find({ conversationId, sequence, digest, "present.x": true })
    .sort({ "present.v": 1 })
    .limit(reactionUserIdsMax)
    .toArray();

/** All of one message. */
export const allReactions = async (
  views: ViewCollections,
  conversationId: ConversationId,
  sequence: Sequence,
): Promise<FoundMessage["reactions"]> => {
  const found = await views.reactions
    .find({ _id: idsUnder(conversationId, sequence), "present.x": true })
    .sort({ _id: 1 })
    .toArray();
  return found.map(({ digest, userId }) => ({ digest, userId }));
};
