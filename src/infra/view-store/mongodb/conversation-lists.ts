import type { TouchedRow } from "../../../projections/ports/rows.js";
import type { ActivityKey, InboxKey, ViewReads } from "../../../projections/ports/view-store.js";
import { idOf, valueOf, type MemberDocument, type ViewCollections, assigned, arrived } from "./documents.js";
import type { ConversationId, UserId } from "../../../domain/kernel/ids.js";
import { asPosition, type Position } from "../../../domain/kernel/stream.js";

/**
 * The two lists of a user's conversations. Their order is the conversations', whose heads move with every message, and
 * the user's own rows must not be written for each (DESIGN §4): so a page is chosen among the heads of all conversations
 * of the user, a few small fields of each, in two queries. Everything else is then read for the page alone.
 */

type InboxPage = Parameters<ViewReads["inbox"]>[1];

/** Ids of a page, in order. What is not pinned comes after everything that is. */
export const inboxOf =
  (views: ViewCollections) =>
  async (userId: UserId, { archived, after, limit }: InboxPage): Promise<readonly ConversationId[]> => {
    const members = await views.members
      .find({ userId, "present.x": true, "joinedPos.x": assigned })
      .project<Pick<MemberDocument, "conversationId" | "pinned" | "archived">>({
        ...{ _id: 0, conversationId: 1, pinned: 1, archived: 1 },
      })
      .toArray();
    const wanted = members.filter(
      (member) => archived === undefined || (valueOf(member.archived) ?? false) === archived,
    );
    const pinnedIn = new Map(wanted.map((member) => [member.conversationId, valueOf(member.pinned)]));
    const heads = await views.conversations
      .find({ _id: { $in: [...pinnedIn.keys()] }, kind: arrived })
      .project<{ conversationId: ConversationId; createdAt: number; lastMessageAt?: number }>({
        ...{ _id: 0, conversationId: 1, createdAt: 1, lastMessageAt: 1 },
      })
      .toArray();
    return heads
      .map(({ conversationId, createdAt, lastMessageAt }) => ({
        conversationId,
        pinned: pinnedIn.get(conversationId) ?? null,
        sortAt: lastMessageAt ?? createdAt,
      }))
      .filter((key) => after === undefined || inInbox(key, after) > 0)
      .sort(inInbox)
      .slice(0, limit)
      .map(({ conversationId }) => conversationId);
  };

const inInbox = (a: InboxKey, b: InboxKey): number =>
  rankOf(a) - rankOf(b) || b.sortAt - a.sortAt || compared(a.conversationId, b.conversationId);

/** Beyond every rank, but not Infinity: that has no difference from itself. */
const rankOf = ({ pinned }: InboxKey): number => pinned ?? Number.MAX_SAFE_INTEGER;

/** Ids are ASCII, so this is the order of their bytes, which is SQLite's and MongoDB's. */
const compared = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** What touches a conversation touches its present members; past ones only what happened to themselves. */
export const touchedOf =
  (views: ViewCollections): ViewReads["touchedSince"] =>
  async (userId, { touchedAfter, order, after, limit }) => {
    type Member = Pick<MemberDocument, "conversationId" | "present" | "membershipPosition" | "touched">;
    const members = await views.members
      .find({ userId, "joinedPos.x": assigned })
      .project<Member>({ ...{ _id: 0, conversationId: 1, present: 1, membershipPosition: 1, touched: 1 } })
      .toArray();
    const memberOf = new Map(members.map((member) => [member.conversationId, member]));
    const touched = (member: Member) => (member.touched ?? 0) > touchedAfter;
    const idsOf = (chosen: readonly Member[]) => chosen.map(({ conversationId }) => idOf(conversationId));
    const heads = await views.conversations
      .find({
        kind: arrived,
        activity: arrived,
        $or: [
          { _id: { $in: idsOf(members.filter(touched)) } },
          {
            _id: { $in: idsOf(members.filter((member) => !touched(member) && member.present.x)) },
            touched: { $gt: touchedAfter },
          },
        ],
      })
      .project<{ conversationId: ConversationId; activity: Position }>({ _id: 0, conversationId: 1, activity: 1 })
      .toArray();
    const inOrder = order === "id" ? byId : byActivity;
    return heads
      .filter((head) => after === undefined || inOrder(head, after) > 0)
      .sort(inOrder)
      .slice(0, limit)
      .flatMap(({ conversationId, activity }): readonly TouchedRow[] => {
        const member = memberOf.get(conversationId);
        if (member === undefined) return [];
        const { present, membershipPosition } = member;
        return [
          {
            conversationId,
            activity: activity,
            present: present.x,
            membershipPosition: asPosition(membershipPosition.x),
          },
        ];
      });
  };

const byId = (a: ActivityKey, b: ActivityKey): number => compared(a.conversationId, b.conversationId);

const byActivity = (a: ActivityKey, b: ActivityKey): number => b.activity - a.activity || byId(b, a);
