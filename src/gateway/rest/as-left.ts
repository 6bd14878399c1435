import type { Conversation } from "../../domain/conversation/conversation.js";
import { E, type Either } from "../../domain/kernel/fp.js";
import { formerMember, type Rejection } from "../../domain/rejections.js";
import type { ConversationView } from "../../projections/queries/queries.js";

/**
 * PROTOCOL §6 `conversation` as a command left it. What was written is answered from the state that it made, not from
 * the views: these may be away, and a 503 would say that nothing was written.
 */
export const asLeftFor = (state: Conversation, userId: string): Either<Rejection, ConversationView> => {
  const member = state.situation === "started" ? state.members.get(userId) : undefined;
  // The repetition of a start whose creator has left since.
  if (state.situation === "absent" || member === undefined) return E.left(formerMember);
  const { kind, name, description, avatarMediaId, settings, messageTtl, createdBy, createdAt } = state.profile;
  const peerId = kind === "direct" ? [...state.members.keys()].find((other) => other !== userId) : undefined;
  return E.right({
    conversationId: state.id,
    type: kind,
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(avatarMediaId === undefined ? {} : { avatarMediaId }),
    settings,
    ...(messageTtl === undefined ? {} : { messageTtl }),
    createdBy,
    createdAt,
    memberCount: state.members.size,
    myRole: member.role,
    ...(peerId === undefined ? {} : { peerId }),
    lastSequence: state.lastSequence,
    pos: state.revision,
  });
};
