import type { ConversationId, UserId } from "../../../domain/kernel/ids.js";
import { defaultPrivacy } from "../../../domain/user/user.events.js";
import type { MembershipStep, SummaryRow } from "../../../projections/ports/rows.js";
import { newestMembership, newestVisible } from "../../../projections/views/visibility.js";
import {
  idOf,
  idsUnder,
  valueOf,
  type ConversationDocument,
  type MemberDocument,
  type ViewCollections,
  assigned,
  arrived,
} from "./documents.js";
import { messageFigures, type Reach } from "./figures.js";
import { othersOf } from "./other-members.js";
import { conversationOf, memberOf, stepOf } from "./rows.js";
import { asPosition, asRevision } from "../../../domain/kernel/stream.js";

type Summaries = (userId: UserId, conversationIds: readonly ConversationId[]) => Promise<readonly SummaryRow[]>;

/**
 * Conversations as one member sees them, in the order asked for; those that they never were in are left out. About ten
 * queries for a page, whatever its length, in three rounds: heads and members first, since they say what else is there;
 * then the steps; then what lies within what the steps let them see.
 */
export const mongoSummaries =
  (views: ViewCollections): Summaries =>
  async (userId, conversationIds) => {
    if (conversationIds.length === 0) return [];
    const [found, seesReads] = await Promise.all([headsOf(views, userId, conversationIds), seesReadsOf(views, userId)]);
    if (found.length === 0) return [];
    const steps = await stepsOf(views, userId, found);
    const places = found.map((place): Place => ({ ...place, ...reachOf(place, steps) }));
    const [figures, others] = await Promise.all([
      messageFigures(views, userId, places),
      othersOf(
        views,
        userId,
        places.map(({ head }) => head),
        seesReads,
      ),
    ]);
    return places.map(({ head, member, steps: ofMember, conversationId }) => ({
      conversation: conversationOf(head),
      member: memberOf(member),
      membershipPosition: asPosition(member.membershipPosition.x),
      steps: ofMember,
      ...figures(conversationId),
      ...others(conversationId),
      pinned: valueOf(member.pinned),
      archived: valueOf(member.archived) ?? false,
      mutedUntil: valueOf(member.mutedUntil),
      sortAt: head.lastMessageAt ?? head.createdAt,
    }));
  };

type Head = { readonly head: ConversationDocument; readonly member: MemberDocument };
type Place = Head & Reach & { readonly steps: readonly MembershipStep[] };

const headsOf = async (
  { conversations, members }: ViewCollections,
  userId: UserId,
  conversationIds: readonly ConversationId[],
): Promise<readonly Head[]> => {
  const [heads, ofUser] = await Promise.all([
    conversations.find({ _id: { $in: [...conversationIds] }, kind: arrived }).toArray(),
    members.find({ _id: { $in: conversationIds.map((id) => idOf(id, userId)) }, "joinedPos.x": assigned }).toArray(),
  ]);
  const headById = new Map(heads.map((head) => [head.conversationId, head]));
  const memberById = new Map(ofUser.map((member) => [member.conversationId, member]));
  return conversationIds.flatMap((id) => {
    const head = headById.get(id);
    const member = memberById.get(id);
    return head === undefined || member === undefined ? [] : [{ head, member }];
  });
};

/** By conversation; each by pos, since that is the order of their ids. */
const stepsOf = async (
  { memberships }: ViewCollections,
  userId: UserId,
  heads: readonly Head[],
): Promise<ReadonlyMap<ConversationId, readonly MembershipStep[]>> => {
  const found = await memberships
    .find({ $or: heads.map(({ head }) => ({ _id: idsUnder(head.conversationId, userId) })), joined: arrived })
    .sort({ _id: 1 })
    .toArray();
  const steps = new Map<ConversationId, MembershipStep[]>();
  for (const step of found) {
    const known = steps.get(step.conversationId);
    if (known === undefined) steps.set(step.conversationId, [stepOf(step)]);
    else known.push(stepOf(step));
  }
  return steps;
};

/** What they may see of the conversation, and where unread begins. */
const reachOf = (
  { head, member }: Head,
  allSteps: ReadonlyMap<ConversationId, readonly MembershipStep[]>,
): Reach & Pick<Place, "steps"> => {
  const { conversationId, headPos = 0, lastSequence = 0 } = head;
  const steps = allSteps.get(conversationId) ?? [];
  const membership = newestMembership(steps);
  const visibleFrom = membership?.from ?? 1;
  return {
    conversationId,
    headPos: asRevision(headPos),
    steps,
    visibleFrom,
    lastVisible: Math.min(membership?.to ?? 0, lastSequence),
    newest: newestVisible(steps, lastSequence),
    from: Math.max(member.readUpTo ?? 0, visibleFrom - 1),
  };
};

/** A user who shows no reads sees none. */
const seesReadsOf = async ({ users }: ViewCollections, userId: UserId): Promise<boolean> => {
  const user = await users.findOne({ _id: idOf(userId) }, { projection: { readReceipts: 1 } });
  return valueOf(user?.readReceipts) ?? defaultPrivacy.readReceipts;
};
