import type { CommandContext, Decider, EventContext } from "../kernel/decider.js";
import { E, type Either } from "../kernel/fp.js";
import { uuidv5, type UserId } from "../kernel/ids.js";
import { limits } from "../kernel/limits.js";
import { conversationNotFound, reject, type Rejection } from "../rejections.js";
import {
  absent,
  evolve,
  type Conversation,
  type ConversationCommand,
  type JoinMembers,
  type Member,
  type RemoveMember,
  type SendMessage,
  type StartConversation,
  type Started,
} from "./conversation.js";
import type { ConversationEvent, ConversationProfile, MemberJoined, Role } from "./conversation.events.js";
import { mayInGroup, type GroupAct } from "./permissions.js";
import { findRecent } from "./recent.js";

export type Decision = Either<Rejection, readonly ConversationEvent[]>;

/** Checks go visibility → known key → permission (PROTOCOL §2); shape was checked where the command was made. */
export const decide = (state: Conversation, command: ConversationCommand): Decision => {
  if (command.type === "StartConversation") return decideStart(state, command);
  if (state.situation === "absent" || !isOrWasMember(state, command.context.by.userId))
    return E.left(conversationNotFound);
  switch (command.type) {
    case "JoinMembers":
      return decideJoin(state, command);
    case "RemoveMember":
      return decideLeave(state, command);
    case "SendMessage":
      return decideSend(state, command);
  }
};

export const conversation: Decider<ConversationCommand, Conversation, ConversationEvent> = {
  initial: () => absent,
  evolve,
  decide,
};

type With<C> = C & { readonly context: CommandContext };

/** Makes the events' own part: ids from the command's, so that the same command always makes the same events. */
const stamping = (context: CommandContext, lastAt: number) => {
  let made = 0;
  return (id?: string): EventContext => ({
    id: id ?? uuidv5("event", context.commandId, String(made++)),
    at: Math.max(context.now, lastAt),
    by: context.by,
  });
};

/** A repeat, or the other party of a direct conversation, finds it started: nothing to write. */
const decideStart = (state: Conversation, command: With<StartConversation>): Decision => {
  if (state.situation === "started") return E.right([]);
  if (command.members.length > limits.groupMembersMax) return E.left(tooManyMembers);
  const stamp = stamping(command.context, 0);
  const started = stamp();
  const profile = { ...command.profile, createdBy: command.context.by.userId, createdAt: started.at };
  const joins = joinBatches(command.members, { memberCount: 0, sequence: 0, visibleFrom: 1, profile }, stamp);
  return E.right([
    { type: "ConversationStarted", ...started, conversationId: command.conversationId, home: command.home, profile },
    ...joins,
  ]);
};

const joinBatches = (
  members: readonly { readonly userId: UserId; readonly role: Role }[],
  joining: { memberCount: number; sequence: number; visibleFrom: number; profile: ConversationProfile },
  stamp: () => EventContext,
): readonly MemberJoined[] => {
  const batches: MemberJoined[] = [];
  for (let from = 0; from < members.length; from += limits.membersPerEvent) {
    const batch = members.slice(from, from + limits.membersPerEvent);
    const memberCount = joining.memberCount + from + batch.length;
    batches.push({ type: "MemberJoined", ...stamp(), ...joining, members: batch, memberCount });
  }
  return batches;
};

const decideJoin = (state: Started, command: With<JoinMembers>): Decision => {
  const refusal = refusalInGroup(state, command.context.by.userId, "invite");
  if (refusal) return E.left(refusal);
  const newcomers = [...new Set(command.userIds)].filter((userId) => !state.members.has(userId));
  if (newcomers.length === 0) return E.right([]);
  if (state.members.size + newcomers.length > limits.groupMembersMax) return E.left(tooManyMembers);
  const { historyVisibility } = state.profile.settings;
  const joining = {
    memberCount: state.members.size,
    sequence: state.lastSequence,
    visibleFrom: historyVisibility === "all" ? 1 : state.lastSequence + 1,
    profile: state.profile,
  };
  const members = newcomers.map((userId) => ({ userId, role: "member" as const }));
  return E.right(joinBatches(members, joining, stamping(command.context, state.lastAt)));
};

const decideLeave = (state: Started, command: With<RemoveMember>): Decision => {
  const { by } = command.context;
  const leaver = state.members.get(command.userId);
  const act = leaver?.role === "owner" ? "removeOwner" : "removeMember";
  const refusal = refusalInGroup(state, by.userId, command.userId === by.userId ? "leave" : act);
  if (refusal) return E.left(refusal);
  if (leaver === undefined) return E.left(reject("USER_NOT_FOUND", "That user is not a member of this group."));
  const stamp = stamping(command.context, state.lastAt);
  const left: ConversationEvent = {
    type: "MemberLeft",
    ...stamp(),
    userId: command.userId,
    leftAt: state.lastSequence + 1,
    memberCount: state.members.size - 1,
  };
  const heir = heirOf(state, command.userId, leaver);
  return E.right(
    heir === undefined ? [left] : [left, { type: "MemberRoleChanged", ...stamp(), userId: heir, role: "owner" }],
  );
};

/** When the last owner leaves: the longest-standing admin, else member. */
const heirOf = (state: Started, leaverId: UserId, leaver: Member): UserId | undefined => {
  if (leaver.role !== "owner") return undefined;
  const others = [...state.members].filter(([userId]) => userId !== leaverId);
  if (others.some(([, member]) => member.role === "owner")) return undefined;
  const ranked = others.sort(([, a], [, b]) => rank(a) - rank(b) || a.joinedPos - b.joinedPos);
  return ranked[0]?.[0];
};
const rank = (member: Member): number => (member.role === "admin" ? 0 : 1);

const decideSend = (state: Started, command: With<SendMessage>): Decision => {
  const { by } = command.context;
  // Before permission: whoever retries learns what became of it, whatever they may do today.
  if (findRecent(state.recent, command.messageId)) return E.right([]);
  const member = state.members.get(by.userId);
  if (member === undefined) return E.left(formerMember);
  if (state.profile.kind === "group" && !mayInGroup(member.role, "post", state.profile.settings))
    return E.left(reject("FORBIDDEN", "Only admins can post in this group."));
  const { messageId, clientMessageId, contentType, content, replyTo } = command;
  const stamp = stamping(command.context, state.lastAt);
  const sent = { messageId, sequence: state.lastSequence + 1, clientMessageId, contentType, content };
  return E.right([
    { type: "MessageSent", ...stamp(messageId), ...sent, ...(replyTo === undefined ? {} : { replyTo }) },
  ]);
};

export const isOrWasMember = (state: Started, userId: UserId): boolean =>
  state.members.has(userId) || state.former.has(userId);

const formerMember = reject("FORBIDDEN", "You are no longer a member of this conversation.");
const tooManyMembers = reject("TOO_LARGE", `A group has at most ${limits.groupMembersMax} members.`);

const refusalInGroup = (state: Started, userId: UserId, act: GroupAct | "leave") => {
  const member = state.members.get(userId);
  if (member === undefined) return formerMember;
  if (state.profile.kind === "direct") return reject("FORBIDDEN", "The members of a direct conversation never change.");
  if (act === "leave" || mayInGroup(member.role, act, state.profile.settings)) return undefined;
  return reject("FORBIDDEN", `As ${member.role} you may not do this here (${act}).`);
};
