import type { ConversationId, Sequence, UserId } from "../../../domain/kernel/ids.js";
import type { SummaryRow } from "../../../projections/ports/rows.js";
import { idsUnder, valueOf, type ConversationDocument, type ViewCollections, assigned } from "./documents.js";

type Others = Pick<SummaryRow, "peerId" | "deliveredToAll" | "readByAll">;
type Smallest = Pick<Others, "deliveredToAll" | "readByAll">;

/**
 * Members of the small conversations of a page are looked at in one query; in larger ones the index is asked for the
 * smallest cursor, in two queries each. A page of large groups only is rare, and no more than twice its length then.
 */
const smallMembersMax = 100;

/** What a member sees of the others. */
export const othersOf = async (
  views: ViewCollections,
  userId: UserId,
  heads: readonly ConversationDocument[],
  seesReads: boolean,
): Promise<(conversationId: ConversationId) => Others> => {
  const isSmall = (head: ConversationDocument) => (valueOf(head.memberCount) ?? 0) <= smallMembersMax;
  const [peers, small, ...large] = await Promise.all([
    peersOf(views, userId, idsOf(heads.filter(({ kind }) => kind === "direct"))),
    smallestInSmall(views, userId, idsOf(heads.filter(isSmall))),
    ...idsOf(heads.filter((head) => !isSmall(head))).map((id) => smallestInLarge(views, userId, id)),
  ]);
  const smallest = new Map([...small, ...large]);
  return (conversationId) => {
    const { deliveredToAll = null, readByAll = null } = smallest.get(conversationId) ?? {};
    return { peerId: peers.get(conversationId) ?? null, deliveredToAll, readByAll: seesReads ? readByAll : 0 };
  };
};

const idsOf = (heads: readonly ConversationDocument[]): ConversationId[] =>
  heads.map(({ conversationId }) => conversationId);

/** The other parties of direct conversations, whether they are still there or not. */
const peersOf = async (
  { members }: ViewCollections,
  userId: UserId,
  conversationIds: ConversationId[],
): Promise<ReadonlyMap<ConversationId, UserId>> => {
  if (conversationIds.length === 0) return new Map();
  const found = await members
    .find({ $or: conversationIds.map((id) => ({ _id: idsUnder(id) })), "joinedPos.x": assigned })
    .project<{ conversationId: ConversationId; userId: UserId }>({ _id: 0, conversationId: 1, userId: 1 })
    .toArray();
  // Both parties are read and one is dropped here: a condition on `userId` would bring its index into play.
  return new Map(found.flatMap((peer) => (peer.userId === userId ? [] : [[peer.conversationId, peer.userId]])));
};

type Entry = readonly [conversationId: ConversationId, smallest: Smallest];

const smallestInSmall = async (
  { members }: ViewCollections,
  userId: UserId,
  conversationIds: ConversationId[],
): Promise<readonly Entry[]> => {
  if (conversationIds.length === 0) return [];
  const found = await members
    .aggregate<Smallest & { readonly _id: ConversationId }>([
      { $match: { conversationId: { $in: conversationIds }, "present.x": true, userId: { $ne: userId } } },
      {
        $group: {
          _id: "$conversationId",
          deliveredToAll: { $min: "$deliveredUpTo" },
          readByAll: { $min: "$shownReadUpTo" },
        },
      },
    ])
    .toArray();
  return found.map(({ _id, ...smallest }) => [_id, smallest]);
};

const smallestInLarge = async (
  { members }: ViewCollections,
  userId: UserId,
  conversationId: ConversationId,
): Promise<Entry> => {
  const least = async (cursor: "deliveredUpTo" | "shownReadUpTo"): Promise<Sequence | null> => {
    const found = await members.findOne(
      { conversationId, "present.x": true, userId: { $ne: userId } },
      { sort: { [cursor]: 1 }, projection: { [cursor]: 1 } },
    );
    return found?.[cursor] ?? null;
  };
  const [deliveredToAll, readByAll] = await Promise.all([least("deliveredUpTo"), least("shownReadUpTo")]);
  return [conversationId, { deliveredToAll, readByAll }];
};
