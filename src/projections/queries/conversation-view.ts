import type { ConversationProfile } from "../../domain/conversation/conversation.events.js";
import type { Conversation } from "../../domain/conversation/conversation.js";
import { E, type Either } from "../../domain/kernel/fp.js";
import type { UserId } from "../../domain/kernel/ids.js";
import { formerMember, type Rejection } from "../../domain/rejections.js";
import { openTexts, type SealedTexts } from "../frames/texts.js";
import type { OpenContent } from "../ports/open-content.js";
import type { SummaryRow } from "../ports/rows.js";
import type { ConversationView } from "./queries.js";

/** The conversation as a member's row in the views has it. */
export const viewOfRow = ({ conversation, member, peerId }: SummaryRow, open: OpenContent): Promise<ConversationView> =>
  conversationView({ ...conversation, myRole: member.role, peerId, pos: conversation.headPos }, open);

/**
 * The conversation as a command left it, for one of its members. What was written is answered from the state that it
 * made, not from the views: these may be away, and a 503 would say that nothing was written. What the command has sealed
 * opens with a key that is in memory.
 */
export const viewOfState = async (
  state: Conversation,
  userId: UserId,
  open: OpenContent,
): Promise<Either<Rejection, ConversationView>> => {
  const member = state.situation === "started" ? state.members.get(userId) : undefined;
  // The repetition of a start whose creator has left since.
  if (state.situation === "absent" || member === undefined) return E.left(formerMember);
  const { id: conversationId, profile, members, lastSequence, revision: pos } = state;
  const peerId = profile.kind === "direct" ? [...members.keys()].find((other) => other !== userId) : undefined;
  const counted = { memberCount: members.size, lastSequence, pos };
  const facts = { ...profile, conversationId, ...counted, myRole: member.role, peerId };
  return E.right(await conversationView(facts, open));
};

/** What a conversation is made of, wherever it was read; null or undefined is what is not set. */
type Facts = Pick<ConversationProfile, "kind" | "settings" | "createdBy" | "createdAt"> &
  Pick<ConversationView, "conversationId" | "memberCount" | "myRole" | "lastSequence" | "pos"> &
  SealedTexts &
  Partial<Record<"avatarMediaId" | "peerId", string | null | undefined>> & {
    readonly messageTtl?: number | null | undefined;
  };

/** PROTOCOL §6 `conversation`: what is not set is left out. */
const conversationView = async (facts: Facts, open: OpenContent): Promise<ConversationView> => ({
  conversationId: facts.conversationId,
  type: facts.kind,
  ...(await openTexts(open, facts.conversationId, facts)),
  ...ifSet("avatarMediaId", facts.avatarMediaId),
  settings: facts.settings,
  ...ifSet("messageTtl", facts.messageTtl),
  createdBy: facts.createdBy,
  createdAt: facts.createdAt,
  memberCount: facts.memberCount,
  myRole: facts.myRole,
  ...ifSet("peerId", facts.peerId),
  lastSequence: facts.lastSequence,
  pos: facts.pos,
});

const ifSet = <K extends string, A>(key: K, value: A | null | undefined): Partial<Record<K, A>> =>
  value === null || value === undefined ? {} : ({ [key]: value } as Record<K, A>);
